/** Times by the timestamps of a WebGPU device. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { phasesWith } from "../../ir/program/phases.js";
import type { Launch, Program } from "../../ir/program/program.js";
import type { Device, LoadedProgram } from "../../runtime/device.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { secondsBetween } from "../../runtime/webgpu/pass-clock.js";
import { webgpu } from "../../targets/index.js";
import { defineKernel, gridOf } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import { randomFloats } from "../support/random.js";

const ROWS = 96;
const COLUMNS = 256;
const softmax = defineKernel("softmax", { log: false }, webgpu);

/** `long` has many launches, so several submissions; `copied` reads and writes one buffer, so its rows are copied first. */
function program(launches: number): Program {
  const arg = (buffer: string, offset = 0, rowStride = COLUMNS) => ({
    buffer,
    offset,
    rowStride,
    stepStride: 0,
  });
  const softening = (args: Launch["args"]): Launch => ({
    kernel: "softmax",
    rows: ROWS,
    args,
    scalars: [COLUMNS],
    grid: gridOf(softmax, [1, ROWS, 1]),
    label: "softmax",
  });
  const host = (id: string, elements: number) =>
    ({ id, dtype: "f32", elements, storage: { kind: "host" } }) as const;
  const kernel = { ...softmax.kernel, id: "softmax", fallback: null, cuda: null };
  return {
    target: "webgpu",
    symbols: [],
    buffers: [host("x", ROWS * COLUMNS), host("y", ROWS * COLUMNS), host("joint", 2 * ROWS * COLUMNS)],
    kernels: [kernel],
    phases: phasesWith({
      load: [],
      prompt: [],
      step: Array.from({ length: launches }, () => softening([arg("x"), arg("y")])),
      euler: [softening([arg("joint", 0, 2 * COLUMNS), arg("joint", COLUMNS, 2 * COLUMNS)])],
    }),
    inputs: [],
    outputs: [],
    model: null,
  };
}

const CODE = {
  source: () => renderTemplate(softmax.template, softmax.values),
  binary: () => expect.fail("no binaries in this test"),
};

async function opened(device: Device, launches = 20): Promise<LoadedProgram> {
  const loaded = await device.load(program(launches), CODE, { bytes: async () => new Uint8Array() });
  await loaded.bind({});
  loaded.write("x", randomFloats(1, ROWS * COLUMNS));
  loaded.write("joint", randomFloats(2, 2 * ROWS * COLUMNS));
  return loaded;
}

async function clocked<T>(work: Promise<T>): Promise<{ readonly result: T; readonly seconds: number }> {
  const begun = performance.now();
  const result = await work;
  return { result, seconds: (performance.now() - begun) / 1000 };
}

describe("a WebGPU device that was opened for timing", () => {
  let device: Device;
  beforeAll(async () => {
    device = await createNodeWebGpuDevice({ software: "always", timing: true });
  });
  afterAll(() => device.close());

  it("says how long all passes took, of several submissions, phases and copies", async () => {
    const loaded = await opened(device);
    await loaded.run(["step"], 0);
    // Copies lie between passes of the second phase, and in front of its first.
    for (const phases of [["step"], ["step", "euler"], ["euler"]]) {
      const { result = 0, seconds } = await clocked(loaded.timed?.(phases, 0) ?? expect.fail("no clock"));
      expect(result).toBeGreaterThan(0);
      expect(result).toBeLessThan(seconds);
      // SwiftShader works for nearly all of the time; other programs may be at work too.
      if (phases[0] === "step") expect(result).toBeGreaterThan(seconds / 10);
    }
    const y = Float32Array.from(await loaded.read("y"));
    await loaded.run(["step"], 0);
    expect(Float32Array.from(await loaded.read("y"))).toEqual(y);
    await loaded.close();
  });

  it("takes longer for more launches", async () => {
    const few = await opened(device, 2);
    const many = await opened(device, 40);
    const times: (readonly [number, number])[] = [];
    for (let i = 0; i < 4; i++)
      times.push([(await few.timed?.(["step"], 0)) ?? 0, (await many.timed?.(["step"], 0)) ?? 0]);
    expect(Math.min(...times.map(([, long]) => long))).toBeGreaterThan(
      5 * Math.min(...times.map(([short]) => short)),
    );
  });

  it("has no time of nothing", async () => {
    const loaded = await opened(device, 0);
    expect(await loaded.timed?.(["step"], 0)).toBeUndefined();
  });
});

it("does not ask for timestamps where no times are wanted", async () => {
  const device = await createNodeWebGpuDevice({ software: "always" });
  try {
    expect(device.has("timestamp-query")).toBe(false);
    expect((await opened(device)).timed).toBeUndefined();
  } finally {
    await device.close();
  }
});

describe("secondsBetween", () => {
  const QUANTUM = 65_536n;

  it("takes nanoseconds between timestamps, also on both sides of 2^53", () => {
    expect(secondsBetween(1_000n, 2_001_000n, 1)).toBeCloseTo(0.002, 12);
    expect(secondsBetween(2n ** 60n + 1n, 2n ** 60n + 2_000_001n, 1)).toBeCloseTo(0.002, 12);
  });

  it.each([
    ["zeros", 0n, 0n],
    ["a begin that was never written", 0n, 18_310_133_514_241n],
    ["equal ones", 77_777n, 77_777n],
    ["a clock that went backwards", 2_000_001n, 1_000_000n],
    ["more than the host saw pass", 1n, 1_200_000_000n],
    ["few quanta of rounded ones", 3n * QUANTUM, 102n * QUANTUM],
  ])("believes no %s", (_, begin, end) => {
    expect(secondsBetween(begin, end, 1)).toBeUndefined();
  });

  it("believes rounded ones of many quanta, and any number of nanoseconds of others", () => {
    expect(secondsBetween(3n * QUANTUM, 103n * QUANTUM, 1)).toBeCloseTo(0.0065536, 12);
    expect(secondsBetween(3n * QUANTUM, 3n * QUANTUM + 40n, 1)).toBeCloseTo(40e-9, 15);
  });
});
