import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Bindings, Dim } from "../../ir/dim.js";
import { binary, constant, input } from "../../ir/families/expression.js";
import { phasesWith } from "../../ir/program/phases.js";
import type {
  BufferStorage,
  DeviceDType,
  Kernel,
  Launch,
  Program,
  ProgramBuffer,
} from "../../ir/program/program.js";
import type { Device, KernelCode, LoadedProgram } from "../../runtime/device.js";
import { openAdapter } from "../../runtime/node/webgpu.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { createWebGpuDevice } from "../../runtime/webgpu/device.js";
import { webgpu } from "../../targets/index.js";
import { defineKernel, gridOf, type KernelDefinition } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import type { PhaseName } from "../support/phases.js";
import { randomFloats } from "../support/random.js";

const C = 64;
const double = defineKernel(
  "elementwise",
  { rank: 1, inputs: ["f32"], output: "f32", expression: binary("mul", input(0), constant(2)) },
  webgpu,
);
const MOVED = binary("add", input(0), binary("mul", input(1), input(2)));
const move = defineKernel(
  "elementwise",
  {
    rank: 1,
    inputs: ["f32", "f32", "f32"],
    output: "f32",
    expression: MOVED,
  },
  webgpu,
);
const rowsMoved = defineKernel(
  "elementwise",
  { rank: 2, inputs: ["f32", "f32", "f32"], output: "f32", expression: MOVED },
  webgpu,
);
const softmax = defineKernel("softmax", { log: false }, webgpu);
const DEFINITIONS: Readonly<Record<string, KernelDefinition>> = { double, move, rowsMoved, softmax };

let device: Device;
/** Cuts launches into pieces of a few rows and workgroups. */
let narrow: Device;
beforeAll(async () => {
  device = await createNodeWebGpuDevice({ software: "always" });
  narrow = await createNodeWebGpuDevice({
    software: "always",
    limits: { maxBindingBytes: 4096, maxWorkgroupsPerDimension: 5 },
  });
});
afterAll(() => Promise.all([device.close(), narrow.close()]));

const CODE: KernelCode = {
  source: (id) => renderTemplate(DEFINITIONS[id]!.template, DEFINITIONS[id]!.values),
  binary: () => {
    throw new Error("no binaries in this test");
  },
};

function buffer(
  id: string,
  elements: Dim,
  storage: BufferStorage,
  dtype: DeviceDType = "f32",
): ProgramBuffer {
  return { id, dtype, elements, storage };
}

const arg = (
  id: string,
  rowStride: Dim = 0,
  offset: Dim = 0,
  stepStride: Dim = 0,
): Launch["args"][number] => ({
  buffer: id,
  offset,
  rowStride,
  stepStride,
});

function doubling(from: string, to: string, elements: Dim): Launch {
  return {
    kernel: "double",
    rows: elements,
    args: [arg(from), arg(to)],
    scalars: [elements, 1, 1],
    grid: gridOf(double, [elements, 1, 1]),
    label: `double ${from}`,
  };
}

/** x + dt·v of C elements, with one dt. */
function moving(args: Launch["args"]): Launch {
  const scalars = [C, 1, 0, 1, 1];
  return { kernel: "move", rows: C, args, scalars, grid: gridOf(move, [C, 1, 1]), label: "move" };
}

function softening(rows: Dim, args: Launch["args"]): Launch {
  return {
    kernel: "softmax",
    rows,
    args,
    scalars: [C],
    grid: gridOf(softmax, [1, rows, 1]),
    label: "softmax",
  };
}

function program(
  buffers: readonly ProgramBuffer[],
  phases: Partial<Record<PhaseName, readonly Launch[]>>,
  kernels: readonly Kernel[] = Object.entries(DEFINITIONS).map(([id, { kernel }]) => ({
    ...kernel,
    id,
    fallback: null,
    cuda: null,
  })),
): Program {
  return {
    target: "webgpu",
    symbols: ["tokens"],
    buffers,
    kernels,
    phases: phasesWith({ load: [], prompt: [], step: [], euler: [], ...phases }),
    inputs: [],
    outputs: [],
    model: null,
  };
}

const NONE = { bytes: async () => new Uint8Array() };

async function opened(on: Device, of: Program, bindings: Bindings): Promise<LoadedProgram> {
  const loaded = await on.load(of, CODE, NONE);
  await loaded.bind(bindings);
  return loaded;
}

function softmaxRows(x: Float32Array): number[] {
  const out: number[] = [];
  for (let r = 0; r < x.length; r += C) {
    const e = [...x.subarray(r, r + C)].map(Math.exp);
    const total = e.reduce((a, b) => a + b, 0);
    out.push(...e.map((v) => v / total));
  }
  return out;
}

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (!(Math.abs(actual[i]! - expected[i]!) < 1e-5))
      throw new Error(`[${i}]: ${actual[i]}, expected ${expected[i]}`);
  }
}

describe("WebGPU programs", () => {
  it("runs load, prompt, step and euler with step-indexed operands and a joint arena", async () => {
    const weight = randomFloats(1, C);
    const buffers = [
      buffer("stored", C, { kind: "staging", tensor: "w" }),
      buffer("kept", C, { kind: "resident" }),
      buffer("x", "64*tokens", { kind: "state" }),
      buffer("dt", 3, { kind: "host" }),
      buffer("none", 1, { kind: "host" }),
      buffer("a", "64*tokens", { kind: "arena", slot: 0 }),
      buffer("b", "128*tokens", { kind: "arena", slot: 1 }),
      buffer("c", C, { kind: "arena", slot: 0 }),
      buffer("moved", C, { kind: "arena", slot: 2 }),
    ];
    const of = program(buffers, {
      load: [doubling("stored", "kept", C)],
      prompt: [doubling("kept", "b", C)],
      step: [softening("tokens", [arg("x", C), arg("a", C)])],
      // The first row moves by dt[step] times row 0 of b, which holds four times the weight.
      euler: [
        moving([arg("x"), arg("dt", 0, 0, 1), arg("b"), arg("moved")]),
        moving([arg("moved"), arg("none"), arg("b"), arg("x")]),
      ],
    });
    const input = { name: "x", role: null, dtype: "f32", shape: ["tokens", C], batchAxis: null } as const;
    const loaded = await device.load({ ...of, inputs: [{ ...input, buffer: "x" }] }, CODE, {
      bytes: async (tensor) => {
        expect(tensor).toBe("w");
        return new Uint8Array(weight.buffer);
      },
    });
    for (const tokens of [3, 5]) {
      await loaded.bind({ tokens });
      const x = randomFloats(tokens, tokens * C);
      const dt = Float32Array.of(-0.5, -0.25, -0.125);
      loaded.write("x", x);
      loaded.write("dt", dt);
      loaded.write("none", Float32Array.of(0));
      await loaded.run(["prompt"], 0);
      for (let step = 0; step < 3; step++) {
        await loaded.run(["step", "euler"], step);
        expectNear(await loaded.read("a"), softmaxRows(x));
        for (let i = 0; i < C; i++) x[i] = x[i]! + dt[step]! * 4 * weight[i]!;
        expectNear(await loaded.read("x"), x);
      }
    }
    expect(loaded.memoryBytes()).toBeGreaterThan(5 * C * 4 * 4);
    await loaded.close();
    expect(loaded.memoryBytes()).toBe(0);
  });

  it("reads and writes one buffer in one launch", async () => {
    const tokens = 6;
    // Columns [0, C) hold x, [C, 2C) the result; and rows 0.. of one buffer are read while rows 6.. are written.
    const of = program([buffer("joint", "256*tokens", { kind: "host" })], {
      step: [
        softening("tokens", [arg("joint", 2 * C), arg("joint", 2 * C, C)]),
        softening("tokens", [arg("joint", 2 * C), arg("joint", C, "128*tokens")]),
      ],
    });
    const loaded = await opened(device, of, { tokens });
    const x = randomFloats(7, tokens * C);
    const joint = new Float32Array(tokens * C * 4).fill(Number.NaN);
    for (let r = 0; r < tokens; r++) joint.set(x.subarray(r * C, (r + 1) * C), r * 2 * C);
    loaded.write("joint", joint);
    await loaded.run(["step"], 0);
    const after = Float32Array.from(await loaded.read("joint"));
    const expected = softmaxRows(x);
    const columns = Array.from({ length: tokens }, (_, r) => [
      ...after.subarray(r * 2 * C + C, (r + 1) * 2 * C),
    ]);
    expectNear(columns.flat(), expected);
    expectNear(after.subarray(2 * tokens * C, 3 * tokens * C), expected);
    for (let r = 0; r < tokens; r++)
      expectNear(after.subarray(r * 2 * C, r * 2 * C + C), x.subarray(r * C, r * C + C));
    await loaded.close();
  });

  it("cuts launches along rows where bindings or the grid are too large", async () => {
    const tokens = 43;
    const of = program(
      [
        // Rows lie 70 elements apart, so windows start at offsets that are no multiple of 256 bytes.
        buffer("x", "70*tokens+5", { kind: "host" }),
        buffer("y", "64*tokens", { kind: "host" }),
      ],
      { step: [softening("tokens", [arg("x", 70, 5), arg("y", C)])] },
    );
    const x = randomFloats(8, tokens * 70 + 5);
    const dense = Float32Array.from(
      { length: tokens * C },
      (_, i) => x[5 + Math.floor(i / C) * 70 + (i % C)]!,
    );
    for (const on of [narrow, device]) {
      const loaded = await opened(on, of, { tokens });
      loaded.write("x", x);
      await loaded.run(["step"], 0);
      expectNear(await loaded.read("y"), softmaxRows(dense));
      await loaded.close();
    }
  });

  it("continues an elementwise grid on the second axis", async () => {
    // 13 workgroups of 256 elements over a grid of at most 5; 4096 bytes hold 1024 elements.
    const wide = await createNodeWebGpuDevice({
      software: "always",
      limits: { maxWorkgroupsPerDimension: 5 },
    });
    const of = program([buffer("x", 3300, { kind: "host" }), buffer("y", 3310, { kind: "host" })], {
      step: [doubling("x", "y", 3300)],
    });
    const loaded = await opened(wide, of, {});
    const x = randomFloats(9, 3300);
    loaded.write("x", x);
    loaded.write("y", new Float32Array(3310).fill(7));
    await loaded.run(["step"], 0);
    const expected = [...x.map((v) => 2 * v), ...new Array<number>(10).fill(7)];
    expectNear(await loaded.read("y"), expected);
    await wide.close();
  });

  it("divides elementwise launches along their outermost axis", async () => {
    const tokens = 43;
    // Rows of x lie 70 elements apart and hold 1 to 64; b is one row for all of them; y has them side by side.
    const of = program(
      [
        buffer("x", "70*tokens+5", { kind: "host" }),
        buffer("b", C, { kind: "host" }),
        buffer("y", "64*tokens+3", { kind: "host" }),
      ],
      {
        step: [
          {
            kernel: "rowsMoved",
            rows: "64*tokens",
            args: [arg("x", 0, 5), arg("b"), arg("x", 0, 6), arg("y", 0, 3)],
            scalars: ["tokens", C, 70, 1, 0, 1, 70, 1, C, 1],
            grid: gridOf(rowsMoved, ["64*tokens", 1, 1]),
            label: "move rows",
          },
        ],
      },
    );
    const x = randomFloats(10, tokens * 70 + 5);
    const b = randomFloats(11, C);
    // What lies past the end of row 42's columns belongs to no row.
    const expected = Array.from({ length: tokens * C }, (_, i) => {
      const at = 5 + Math.floor(i / C) * 70 + (i % C);
      return x[at]! + b[i % C]! * x[at + 1]!;
    });
    for (const on of [narrow, device]) {
      const loaded = await opened(on, of, { tokens });
      loaded.write("x", x);
      loaded.write("b", b);
      loaded.write("y", new Float32Array(tokens * C + 3).fill(Number.NaN));
      await loaded.run(["step"], 0);
      const y = await loaded.read("y");
      expect([...y.subarray(0, 3)]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
      expectNear(y.subarray(3), expected);
      await loaded.close();
    }
  });

  it("divides an elementwise launch on the memory of which it also writes", async () => {
    const of = program([buffer("joint", 6600, { kind: "host" })], {
      step: [
        {
          ...doubling("joint", "joint", 3300),
          args: [arg("joint"), arg("joint", 0, 3300)],
        },
      ],
    });
    const loaded = await opened(narrow, of, {});
    const joint = randomFloats(12, 6600);
    loaded.write("joint", joint);
    await loaded.run(["step"], 0);
    const x = [...joint.subarray(0, 3300)];
    expectNear(await loaded.read("joint"), [...x, ...x.map((v) => 2 * v)]);
    await loaded.close();
  });

  it("refuses what cannot be cut, naming launch and buffer", async () => {
    // Every element of a column, one after the other: a place of the outermost axis is all of the buffer.
    const of = program([buffer("x", 3300, { kind: "host" }), buffer("y", 3300, { kind: "host" })], {
      step: [
        {
          kernel: "rowsMoved",
          rows: 3300,
          args: [arg("x"), arg("x"), arg("x"), arg("y")],
          scalars: [3, 1100, 1, 3, 1, 3, 1, 3, 1100, 1],
          grid: gridOf(rowsMoved, [3300, 1, 1]),
          label: "columns of x",
        },
      ],
    });
    await expect(opened(narrow, of, {})).rejects.toMatchObject({
      code: "TRITC_E_WEBGPU_LIMIT",
      message: expect.stringMatching(/columns of x.*buffer x[\s\S]*at most 4096[\s\S]*13200/),
    });
    const huge = program([buffer("x", 2 ** 40, { kind: "host" })], {});
    await expect(opened(device, huge, {})).rejects.toMatchObject({
      code: "TRITC_E_WEBGPU_LIMIT",
      message: expect.stringContaining("buffer x"),
    });
  });

  it("shows the line of WGSL that does not compile", async () => {
    const of = program([buffer("x", 8, { kind: "host" }), buffer("y", 8, { kind: "host" })], {
      step: [doubling("x", "y", 8)],
    });
    const broken = {
      ...CODE,
      source: (id: string) => CODE.source(id).replace("let v0 =", "let v0 = missing +"),
    };
    await expect(device.load(of, broken, NONE)).rejects.toMatchObject({
      code: "TRITC_E_WGSL",
      message: expect.stringMatching(/double\.wgsl:\d+[\s\S]*let v0 = missing \+/),
    });
  });

  it("takes a fallback without the features, and names what is missing where there is none", async () => {
    const kernels = program([], {}).kernels.filter(({ id }) => id === "double");
    const fast = { ...kernels[0]!, id: "fast", features: ["no-such-feature"], fallback: "double" };
    const buffers = [buffer("x", 8, { kind: "host" }), buffer("y", 8, { kind: "host" })];
    const step = [{ ...doubling("x", "y", 8), kernel: "fast" }];
    const loaded = await opened(device, program(buffers, { step }, [fast, ...kernels]), {});
    loaded.write("x", Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    await loaded.run(["step"], 0);
    expect([...(await loaded.read("y"))]).toEqual([2, 4, 6, 8, 10, 12, 14, 16]);
    await loaded.close();
    const alone = program(buffers, { step }, [{ ...fast, fallback: null }]);
    await expect(opened(device, alone, {})).rejects.toMatchObject({
      code: "TRITC_E_WEBGPU_FEATURE",
      message: expect.stringContaining("no-such-feature"),
    });
  });

  it("reports a tensor of the wrong size and a lost device", async () => {
    const { adapter, release } = await openAdapter({ software: "always" });
    const requested = vi.spyOn(adapter, "requestDevice");
    const own = await createWebGpuDevice(adapter);
    const of = program([buffer("w", 8, { kind: "weight", tensor: "model.w" })], {});
    await expect(own.load(of, CODE, NONE)).rejects.toMatchObject({
      code: "TRITC_E_BUFFER_SIZE",
      message: expect.stringContaining("model.w"),
    });
    const loaded = await opened(own, program([buffer("x", 8, { kind: "host" })], {}), {});
    const requests = requested.mock.results.map(({ value }) => value as Promise<GPUDevice>);
    for (const gpu of await Promise.all(requests)) gpu.destroy();
    await new Promise((resolve) => setTimeout(resolve, 10));
    await expect(loaded.run(["step"], 0)).rejects.toMatchObject({ code: "TRITC_E_WEBGPU_LOST" });
    await own.close();
    release();
  });
});
