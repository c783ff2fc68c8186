import { describe, expect, it } from "vitest";
import { phasesWith } from "../../ir/program/phases.js";
import type { Kernel, Program } from "../../ir/program/program.js";
import type { WeightSource } from "../../runtime/device.js";
import { createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { failure, fakeCuda } from "../support/fake-cuda.js";
import { byPhase } from "../support/phases.js";
import { randomFloats } from "../support/random.js";
import {
  at,
  buffer,
  C,
  expected,
  expectNear,
  kernelOf,
  PACKED,
  PROGRAM,
  scaleRowsCode,
  scaling,
  weights,
} from "../support/scale-rows.js";

const fake = await fakeCuda();
const { withDevice } = fake;
const code = await scaleRowsCode();

describe("a program on a CUDA device", () => {
  it("loads, and replays graphs while the step changes", () =>
    withDevice(async (device) => {
      expect(device.kind).toBe("cuda");
      expect(device.description).toMatch(/compute capability 8\.6, 8 GiB/);
      const loaded = await device.load(PROGRAM, code, weights);
      expectNear(
        await loaded.read("kept"),
        [...PACKED].map((v) => 2 * v),
      );
      for (const t of [3, 40, 1]) {
        const table = [0.25, -2, 7, 1];
        await loaded.bind({ t, steps: 4 });
        expect(loaded.memoryBytes()).toBe(fake.deviceBytes());
        const x = randomFloats(t, C * t);
        loaded.write("x", x);
        loaded.write("table", Float32Array.from(table));
        await loaded.run(["prompt"], 0);
        expectNear(await loaded.read("z"), [...x]);
        const [graphs, launches] = [fake.count("cuGraphLaunch"), fake.count("cuLaunchKernel")];
        for (const step of [0, 1, 2, 3]) await loaded.run(["step", "euler"], step);
        expectNear(await loaded.read("x"), expected(x, table, [0, 1, 2, 3]));
        // The first run is made of launches, the second records them, and they are replayed from then on.
        expect(fake.count("cuGraphLaunch") - graphs).toBe(3);
        expect(fake.count("cuLaunchKernel") - launches).toBe(4);
      }
      await loaded.close();
      await loaded.close();
    }));

  it("computes the same one launch at a time, and says how long each takes", () =>
    withDevice(
      async (device) => {
        const loaded = await device.load(PROGRAM, code, weights);
        await loaded.bind({ t: 7, steps: 2 });
        const x = randomFloats(9, 7 * C);
        loaded.write("x", x);
        loaded.write("table", Float32Array.of(3, -1));
        await loaded.run(["step", "euler"], 1);
        const times = await loaded.profile(["step", "euler"], 0);
        expect(times.map(({ label, kernel }) => [label, kernel])).toEqual([
          ["x to y", "scale"],
          ["y to x", "scale"],
        ]);
        for (const { milliseconds } of times) expect(milliseconds).toBeGreaterThanOrEqual(0);
        expectNear(await loaded.read("x"), expected(x, [3, -1], [1, 0]));
        expect(fake.count("cuGraphLaunch")).toBe(0);
        await loaded.close();
      },
      { synchronous: true },
    ));

  it("reads each type of buffer", () =>
    withDevice(async (device) => {
      const buffers = [
        buffer("i8", 3, { kind: "weight", tensor: "bytes" }, "i8"),
        buffer("u32", 3, { kind: "weight", tensor: "words" }, "u32"),
        buffer("i32", 3, { kind: "weight", tensor: "words" }, "i32"),
        buffer("bf16", 6, { kind: "weight", tensor: "words" }, "bf16"),
        buffer("u8", 3, { kind: "weight", tensor: "bytes" }, "u8"),
      ];
      const words = Uint32Array.of(0x3f80c000, 0xffffffff, 5);
      const source = {
        bytes: async (tensor: string) =>
          tensor === "words" ? new Uint8Array(words.slice().buffer) : Uint8Array.of(1, 255, 3),
      };
      const phases = phasesWith({ load: [], prompt: [], step: [], euler: [] });
      const loaded = await device.load({ ...PROGRAM, buffers, phases, kernels: [] }, code, source);
      expect(await loaded.read("i8")).toEqual(Int8Array.of(1, -1, 3));
      expect(await loaded.read("u32")).toEqual(words);
      expect(await loaded.read("i32")).toEqual(Int32Array.of(0x3f80c000, -1, 5));
      expect(await loaded.read("bf16")).toEqual(Uint16Array.of(0xc000, 0x3f80, 0xffff, 0xffff, 5, 0));
      expect((await failure(loaded.read("u8"))).code).toBe("TRITC_E_BUFFER");
      expect((await failure(loaded.read("other"))).code).toBe("TRITC_E_BUFFER");
      await loaded.close();
    }));

  it.each([0, 1])("shares a device, and a process, with others (strict threads: %i)", async (strict) => {
    fake.setDevices(2);
    fake.setStrictThreads(strict);
    await withDevice(async (first) => {
      const second = await createNodeCudaDevice({ driver: fake.path, device: 1 });
      const sizes = [4, 9, 30];
      const third = await createNodeCudaDevice({ driver: fake.path, device: 0 });
      const devices = [first, second, third];
      // All go on at the same moment, so that each finds another's context.
      const waiting: (() => void)[] = [];
      const together: WeightSource = {
        async bytes(tensor) {
          await new Promise<void>((resolve) => {
            waiting.push(resolve);
            if (waiting.length === devices.length) for (const go of waiting.splice(0)) go();
          });
          return weights.bytes(tensor);
        },
      };
      const loaded = await Promise.all(devices.map((device) => device.load(PROGRAM, code, together)));
      const xs = sizes.map((t) => randomFloats(t + 50, C * t));
      await Promise.all(
        loaded.map(async (program, i) => {
          await program.bind({ t: sizes[i] ?? 0, steps: 3 });
          program.write("x", xs[i] ?? new Float32Array());
          program.write("table", Float32Array.of(i, 2 * i, -i));
          for (const step of [0, 1, 2]) await program.run(["step", "euler"], step);
        }),
      );
      for (const [i, program] of loaded.entries()) {
        expectNear(await program.read("x"), expected(xs[i] ?? new Float32Array(), [i, 2 * i, -i], [0, 1, 2]));
        await program.close();
      }
      await second.close();
      await third.close();
    });
  });

  it("refuses data of another size, and weights of another bundle", () =>
    withDevice(async (device) => {
      const loaded = await device.load(PROGRAM, code, weights);
      await loaded.bind({ t: 2, steps: 1 });
      expect(() => loaded.write("x", new Float32Array(11))).toThrow(/expected: 40 bytes/);
      await loaded.close();
      const short = { bytes: async () => new Uint8Array(12) };
      expect((await failure(device.load(PROGRAM, code, short))).code).toBe("TRITC_E_BUFFER_SIZE");
    }));
});

describe("kernels of a CUDA program", () => {
  const chain = [
    kernelOf("scale", { id: "sm_90a", features: ["sm_90a"], fallback: "sm_80" }),
    kernelOf("sm_80", { features: ["sm_80"], fallback: "sm_75" }),
    kernelOf("sm_75", { features: ["sm_75"] }),
  ];
  const program = (kernels: readonly Kernel[]): Program => ({
    ...PROGRAM,
    target: "cuda-portable",
    kernels,
    phases: phasesWith({
      ...byPhase(PROGRAM),
      load: [{ ...scaling("packed", at("zero", 0), "kept", 2, 2), kernel: kernels[0]?.id ?? "" }],
      prompt: [],
      step: [],
      euler: [],
    }),
  });
  const marks = async (kernels: readonly Kernel[]): Promise<number> =>
    withDevice(async (device) => {
      const loaded = await device.load(program(kernels), code, weights);
      const kept = await loaded.read("kept");
      await loaded.close();
      return Math.round((kept[0] ?? 0) - 2 * (PACKED[0] ?? 0));
    });

  it.each([
    [9, 0, 90],
    [8, 6, 80],
    [7, 5, 75],
    [12, 0, 80],
    [10, 0, 80],
  ])("are the first of their variants that compute capability %i.%i runs", async (major, minor, mark) => {
    fake.setCapability(major, minor);
    expect(await marks(chain)).toBe(mark);
  });

  it("are of a variant that the bundle has code for", async () => {
    fake.setCapability(9, 0);
    const [first, ...rest] = chain;
    const without = { ...(first ?? kernelOf("none")), id: "none" };
    expect(await marks([without, ...rest])).toBe(80);
  });

  it("are not too large for the device", async () => {
    fake.setCapability(9, 0);
    const large = kernelOf("sm_90a", { features: ["sm_80"], fallback: "sm_80" });
    const cuda = { sharedBytes: 240 * 1024, tile: [C, 1, 1], persistent: false, tensorMaps: [] } as const;
    expect(await marks([{ ...large, cuda }, ...chain.slice(1)])).toBe(80);
  });

  it("are refused for a GPU that has none, with the target to compile for", async () => {
    fake.setCapability(7, 0);
    const error = await failure(marks(chain));
    expect(error.code).toBe("TRITC_E_CUDA_DEVICE");
    expect(error.message).toMatch(/a GPU of the target cuda-portable \(sm_75, sm_80/);
    expect(error.message).toMatch(/needs sm_90a or sm_80 or sm_75/);
    expect(error.message).toMatch(/compute capability 7\.0, driver for CUDA 13\.0/);
    expect(error.message).toMatch(/--target v100/);
    fake.setCapability(6, 1);
    expect((await failure(marks(chain))).message).toMatch(/the target webgpu or cpu/);
    fake.setCapability(8, 0);
    const none = kernelOf("none", { features: ["sm_80"] });
    // Its name is that of no target, and this is the one for such GPUs.
    expect((await failure(marks([none]))).message).toMatch(/update the NVIDIA driver/);
  });

  it("are refused where they are no CUDA binaries or hold another function", async () => {
    const broken = kernelOf("not a binary");
    expect((await failure(marks([broken]))).code).toBe("TRITC_E_KERNEL");
    const other = kernelOf("sm_75", { family: "other-rows" });
    expect((await failure(marks([other]))).message).toMatch(
      /kernels\/sm_75\.fatbin[\s\S]*no function other_rows/,
    );
  });
});
