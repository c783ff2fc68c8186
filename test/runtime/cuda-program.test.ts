import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Dim } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import type { Kernel, KernelArg, Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import type { KernelCode, WeightSource } from "../../runtime/device.js";
import { CudaContext, listDevices } from "../../runtime/node/cuda/context.js";
import {
  type CudaDevice,
  type CudaDeviceOptions,
  createNodeCudaDevice,
} from "../../runtime/node/cuda/device.js";
import { CudaDriver } from "../../runtime/node/cuda/driver.js";
import { surveyCuda } from "../../runtime/node/cuda/survey.js";
import { Transfers } from "../../runtime/node/cuda/transfers.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { cudaHeader } from "../../templates/cuda/header.js";
import { emulatedDriver, emulatorModule } from "../support/cuda-emulator.js";
import { randomFloats } from "../support/random.js";

/** The driver library of this file, and what it is told and asked besides the driver's own calls. */
interface Fake {
  readonly path: string;
  liveObjects(): number;
  fail(call: string, after: number, result: number): void;
  count(call: string): number;
  deviceBytes(): number;
  reset(): void;
  setDevices(count: number): void;
  setCapability(major: number, minor: number): void;
  setVersion(version: number): void;
  setMemory(bytes: number): void;
}

let fake: Fake;
let folder: string;
beforeAll(async () => {
  const { path } = await emulatedDriver("sm_86", "forward");
  const library = koffi.load(path);
  fake = {
    path,
    liveObjects: library.func("int fakeLiveObjects()"),
    fail: library.func("void fakeFail(const char*, int, int)"),
    count: library.func("uint64_t fakeCount(const char*)"),
    deviceBytes: library.func("size_t fakeDeviceBytes()"),
    reset: library.func("void fakeReset()"),
    setDevices: library.func("void fakeSetDevices(int)"),
    setCapability: library.func("void fakeSetCapability(int, int)"),
    setVersion: library.func("void fakeSetVersion(int)"),
    setMemory: library.func("void fakeSetMemory(size_t)"),
  };
  folder = await mkdtemp(join(tmpdir(), "tritc-cuda-"));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  fake.reset();
  vi.unstubAllEnvs();
  expect(fake.liveObjects()).toBe(0);
});

const byRow = (name: string, access: KernelArg["access"] = "read"): KernelArg => ({
  name,
  dtype: "f32",
  access,
  byRow: true,
});

const C = 5;
const ARGS = [byRow("x"), byRow("delta"), byRow("out", "write")];

/** out = factor·x + delta, a row of `C` to a block. */
function kernelOf(id: string, change: Partial<Kernel> = {}): Kernel {
  return {
    id,
    family: "scale-rows",
    params: {},
    args: ARGS,
    scalars: ["f32"],
    workgroup: [32, 1, 1],
    features: ["sm_75"],
    fallback: null,
    cuda: { sharedBytes: 0, tile: [C, 1, 1], persistent: false, tensorMaps: [] },
    ...change,
  };
}

function sourceOf(body: string): string {
  return `${cudaHeader({ args: ARGS, scalars: ["f32"] })}
extern "C" __global__ void __launch_bounds__(32) scale_rows(const __grid_constant__ Arguments arguments) {
  const unsigned m = blockIdx.y, c = threadIdx.x;
  if (m >= arguments.rows || c >= ${C}) return;
  const float x = rowOf(arguments.x, arguments.step, m)[c];
  const float delta = rowOf(arguments.delta, arguments.step, m)[0];
  const float factor = __uint_as_float(arguments.scalars[0]);
  float* out = rowOf(arguments.out, arguments.step, m);
  ${body}
}
`;
}

/** By kernel id; `sm_90` and the like mark what they computed, `none` has no code for any device. */
const CODE = new Map<string, Uint8Array<ArrayBuffer>>();
beforeAll(async () => {
  CODE.set("scale", await emulatorModule(sourceOf("out[c] = factor * x + delta;")));
  CODE.set("stray", await emulatorModule(sourceOf("out[c + 100000] = x;")));
  for (const sm of ["sm_75", "sm_80", "sm_90a"]) {
    const mark = Number.parseInt(sm.slice(3), 10);
    CODE.set(sm, await emulatorModule(sourceOf(`out[c] = factor * x + delta + ${mark}.0f;`)));
  }
  // An ELF file for NVIDIA's machine: what the real driver would take.
  const cubin = new Uint8Array(64);
  cubin.set([0x7f, 0x45, 0x4c, 0x46]);
  cubin[18] = 190;
  CODE.set("none", cubin);
});

const code: KernelCode = {
  source: (id) => {
    throw new Error(`no source of ${id}`);
  },
  binary: (id) => CODE.get(id) ?? new Uint8Array(64),
};

const at = (buffer: string, rowStride: Dim = C, stepStride: Dim = 0): Launch["args"][number] => ({
  buffer,
  offset: 0,
  rowStride,
  stepStride,
});

function scaling(from: string, delta: Launch["args"][number], to: string, rows: Dim, factor: number): Launch {
  return {
    kernel: "scale",
    rows,
    args: [at(from), delta, at(to)],
    scalars: [factor],
    grid: [
      { size: C, tile: 1 },
      { size: rows, tile: 1 },
    ],
    label: `${from} to ${to}`,
  };
}

const buffer = (
  id: string,
  elements: Dim,
  storage: ProgramBuffer["storage"],
  dtype: ProgramBuffer["dtype"] = "f32",
): ProgramBuffer => ({ id, elements, storage, dtype });

/** kept = 2·packed + zero; y = 3·x + table[step]; x = 0.5·y + kept's first row. */
const PROGRAM: Program = {
  target: "a10",
  symbols: ["t", "steps"],
  buffers: [
    buffer("packed", 2 * C, { kind: "staging", tensor: "packed" }),
    buffer("zero", 1, { kind: "weight", tensor: "zero" }),
    buffer("kept", 2 * C, { kind: "resident" }),
    buffer("table", "steps", { kind: "host" }),
    buffer("x", "5*t", { kind: "host" }),
    buffer("y", "5*t", { kind: "arena", slot: 0 }),
    buffer("z", "5*t", { kind: "arena", slot: 1 }),
  ],
  kernels: [kernelOf("scale")],
  phases: {
    load: [scaling("packed", at("zero", 0), "kept", 2, 2)],
    prompt: [scaling("x", at("zero", 0), "z", "t", 1)],
    step: [scaling("x", at("table", 0, 1), "y", "t", 3)],
    advance: [scaling("y", at("kept", 0), "x", "t", 0.5)],
  },
  inputs: [],
  outputs: [],
  model: null,
};

const PACKED = randomFloats(1, 2 * C);
const weights: WeightSource = {
  bytes: async (tensor) =>
    new Uint8Array((tensor === "packed" ? PACKED.slice() : new Float32Array(1)).buffer),
};

/** What PROGRAM makes of x. */
function expected(x: Float32Array, table: readonly number[], steps: readonly number[]): number[] {
  let values = [...x];
  for (const step of steps) {
    values = values.map((v) =>
      Math.fround(0.5 * Math.fround(3 * v + (table[step] ?? 0)) + 2 * (PACKED[0] ?? 0)),
    );
  }
  return values;
}

function expectNear(actual: ArrayLike<number>, wanted: readonly number[]): void {
  expect(actual.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries()) expect(actual[i]).toBeCloseTo(value, 4);
}

async function withDevice<T>(
  work: (device: CudaDevice) => Promise<T>,
  options: CudaDeviceOptions = {},
): Promise<T> {
  const device = await createNodeCudaDevice({ driver: fake.path, ...options });
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

async function failure(of: Promise<unknown>): Promise<TritcError> {
  const error = await of.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TritcError)) throw new Error(`not a TritcError: ${String(error)}`);
  return error;
}

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
        for (const step of [0, 1, 2, 3]) await loaded.run(["step", "advance"], step);
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
        await loaded.run(["step", "advance"], 1);
        const times = await loaded.profile(["step", "advance"], 0);
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
      const phases = { load: [], prompt: [], step: [], advance: [] };
      const loaded = await device.load({ ...PROGRAM, buffers, phases, kernels: [] }, code, source);
      expect(await loaded.read("i8")).toEqual(Int8Array.of(1, -1, 3));
      expect(await loaded.read("u32")).toEqual(words);
      expect(await loaded.read("i32")).toEqual(Int32Array.of(0x3f80c000, -1, 5));
      expect(await loaded.read("bf16")).toEqual(Uint16Array.of(0xc000, 0x3f80, 0xffff, 0xffff, 5, 0));
      expect((await failure(loaded.read("u8"))).code).toBe("TRITC_E_BUFFER");
      expect((await failure(loaded.read("other"))).code).toBe("TRITC_E_BUFFER");
      await loaded.close();
    }));

  it("shares a device, and a process, with others", () =>
    withDevice(async (first) => {
      fake.setDevices(2);
      const second = await createNodeCudaDevice({ driver: fake.path, device: 1 });
      const sizes = [4, 9, 30];
      const loaded = await Promise.all(
        [first, second, first].map((device) => device.load(PROGRAM, code, weights)),
      );
      const xs = sizes.map((t) => randomFloats(t + 50, C * t));
      await Promise.all(
        loaded.map(async (program, i) => {
          await program.bind({ t: sizes[i] ?? 0, steps: 3 });
          program.write("x", xs[i] ?? new Float32Array());
          program.write("table", Float32Array.of(i, 2 * i, -i));
          for (const step of [0, 1, 2]) await program.run(["step", "advance"], step);
        }),
      );
      for (const [i, program] of loaded.entries()) {
        expectNear(await program.read("x"), expected(xs[i] ?? new Float32Array(), [i, 2 * i, -i], [0, 1, 2]));
        await program.close();
      }
      await second.close();
    }));

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
    phases: {
      ...PROGRAM.phases,
      load: [{ ...scaling("packed", at("zero", 0), "kept", 2, 2), kernel: kernels[0]?.id ?? "" }],
      prompt: [],
      step: [],
      advance: [],
    },
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

describe("errors of a CUDA device", () => {
  it("have CUDA's name, and name the launch where each is waited for", async () => {
    const stray = {
      ...PROGRAM,
      kernels: [kernelOf("scale"), kernelOf("stray")],
      phases: { ...PROGRAM.phases, step: PROGRAM.phases.step.map((l) => ({ ...l, kernel: "stray" })) },
    };
    const run = (options: CudaDeviceOptions): Promise<TritcError> =>
      withDevice(async (device) => {
        const loaded = await device.load(stray, code, weights);
        await loaded.bind({ t: 3, steps: 1 });
        loaded.write("x", new Float32Array(15));
        loaded.write("table", new Float32Array(1));
        const error = await failure(loaded.run(["step", "advance"], 0));
        await loaded.close();
        return error;
      }, options);
    const late = await run({});
    expect(late.code).toBe("TRITC_E_CUDA");
    expect(late.message).toMatch(/phases step, advance at step 0/);
    expect(late.message).toMatch(/cuStreamSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS \(700\)/);
    expect(late.message).toMatch(/TRITC_CUDA_SYNC=1/);
    for (const options of [{ synchronous: true }, {}]) {
      vi.stubEnv("TRITC_CUDA_SYNC", "1");
      const named = await run(options);
      expect(named.message).toMatch(/launch x to y \(kernel stray, 1 × 3 × 1 blocks\)/);
      expect(named.message).toMatch(/defect of the kernel/);
    }
  });

  it("name a launch that the driver refuses, in a graph too", () =>
    withDevice(async (device) => {
      const loaded = await device.load(PROGRAM, code, weights);
      await loaded.bind({ t: 3, steps: 1 });
      for (const run of [1, 2]) {
        fake.fail("cuLaunchKernel", 1, 701);
        const error = await failure(loaded.run(["step", "advance"], 0));
        expect(error.message).toMatch(/launch y to x \(kernel scale, 1 × 3 × 1 blocks\)/);
        expect(error.message).toMatch(/cuLaunchKernel: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES/);
        if (run === 1) await loaded.run(["step", "advance"], 0);
      }
      await loaded.close();
    }));

  it("leave nothing behind, whichever call of `load` fails", () =>
    withDevice(async (device) => {
      const calls = [
        ["cuStreamCreate", 1],
        ["cuModuleLoadData", 1],
        ["cuModuleGetFunction", 1],
        ["cuMemAlloc_v2", 2],
        ["cuMemHostAlloc", 2],
        ["cuEventCreate", 2],
        ["cuMemcpyHtoDAsync_v2", 2],
        ["cuMemsetD32Async", 1],
        ["cuEventRecord", 2],
        ["cuLaunchKernel", 1],
        ["cuStreamSynchronize", 1],
      ] as const;
      const before = fake.liveObjects();
      for (const [call, times] of calls) {
        for (let after = 0; after < times; after++) {
          fake.fail(call, after, 2);
          const error = await failure(device.load(PROGRAM, code, weights));
          expect(error.message, call).toMatch(call === "cuModuleGetFunction" ? /no function/ : call);
          expect(fake.liveObjects(), `${call} ${after}`).toBe(before);
        }
      }
    }));

  it("say how much memory there is, and leave the program usable", () =>
    withDevice(async (device) => {
      const loaded = await device.load(PROGRAM, code, weights);
      const before = fake.liveObjects();
      fake.setMemory(8 * 2 ** 20);
      const error = await failure(loaded.bind({ t: 2 ** 20, steps: 1 }));
      expect(error.code).toBe("TRITC_E_CUDA_MEMORY");
      expect(error.message).toMatch(/buffers of the model \(t = 1048576, steps = 1\)/);
      expect(error.message).toMatch(/CUDA_ERROR_OUT_OF_MEMORY.*61 MiB wanted, 7 of 8 MiB free/);
      expect(fake.liveObjects()).toBe(before);
      await loaded.bind({ t: 2, steps: 1 });
      const x = randomFloats(3, 10);
      loaded.write("x", x);
      loaded.write("table", Float32Array.of(4));
      await loaded.run(["step", "advance"], 0);
      expectNear(await loaded.read("x"), expected(x, [4], [0]));
      await loaded.close();
    }));

  it("of a closed device say so", async () => {
    const device = await createNodeCudaDevice({ driver: fake.path });
    await device.close();
    await device.close();
    expect((await failure(device.load(PROGRAM, code, weights))).message).toMatch(/was closed/);
  });
});

describe("the CUDA driver", () => {
  /** Another name of the library: drivers are kept by their path. */
  const alias = async (name: string): Promise<string> => {
    const path = join(folder, name);
    await symlink(fake.path, path);
    return path;
  };

  it("may be missing, too old, unable to start or without a GPU", async () => {
    const missing = await failure(createNodeCudaDevice({ driver: join(folder, "absent.so") }));
    expect(missing.code).toBe("TRITC_E_CUDA_DRIVER");
    expect(missing.message).toMatch(/there is no NVIDIA driver[\s\S]*absent\.so/);

    const other = await failure(createNodeCudaDevice({ driver: "libc.so.6" }));
    expect(other.message).toMatch(/too old[\s\S]*cuInit/);

    fake.setVersion(11_040);
    const old = await failure(createNodeCudaDevice({ driver: await alias("old.so") }));
    expect(old.message).toMatch(/CUDA 12\.0 or newer[\s\S]*CUDA 11\.4/);

    fake.reset();
    fake.fail("cuInit", 0, 3);
    const dead = await failure(createNodeCudaDevice({ driver: fake.path }));
    expect(dead.code).toBe("TRITC_E_CUDA_DRIVER");
    expect(dead.message).toMatch(/CUDA_ERROR_NOT_INITIALIZED/);

    fake.setDevices(0);
    const none = await failure(createNodeCudaDevice({ driver: fake.path }));
    expect(none.code).toBe("TRITC_E_CUDA_DEVICE");
    fake.reset();
    const second = await failure(createNodeCudaDevice({ driver: fake.path, device: 1 }));
    expect(second.message).toMatch(/expected: 0 to 0[\s\S]*found: {4}1/);
  });

  it("opens devices for the CUDA targets", async () => {
    vi.stubEnv("TRITC_CUDA_DRIVER", fake.path);
    for (const target of ["a10", "h200", "cuda-portable"]) {
      const device = await openDevice(target);
      expect(device.kind).toBe("cuda");
      await device.close();
    }
    expect((await failure(openDevice("b900"))).code).toBe("TRITC_E_TARGET");
  });

  it("is surveyed", async () => {
    fake.setDevices(2);
    fake.setCapability(9, 0);
    const { driverVersion, devices } = await surveyCuda(fake.path);
    expect(driverVersion).toBe("13.0");
    expect(devices.map(({ ordinal, target }) => [ordinal, target])).toEqual([
      [0, "cuda-portable"],
      [1, "cuda-portable"],
    ]);
    expect(devices[0]).toMatchObject({ major: 9, minor: 0, freeBytes: 2 ** 33, memoryBytes: 2 ** 33 });
  });
});

describe("transfers", () => {
  it("go through two pinned buffers, in pieces", async () => {
    const driver = await CudaDriver.load(fake.path);
    const info = listDevices(driver)[0];
    if (info === undefined) throw new Error("no device");
    const context = new CudaContext(driver, info);
    context.enter();
    const stream = context.createStream();
    const transfers = new Transfers(context, stream, 2 ** 16);
    for (const bytes of [1, 2 ** 16, 5 * 2 ** 16 + 7]) {
      const data = new Uint8Array(randomFloats(bytes, Math.ceil(bytes / 4)).buffer).subarray(0, bytes);
      const address = context.allocate(bytes, "test");
      await transfers.upload(address, data, "test");
      const back = new Uint8Array(bytes);
      await transfers.download(back, address, "test");
      expect(Buffer.compare(back, data)).toBe(0);
      context.enter();
      driver.call("test", "cuMemFree_v2", address);
    }
    expect(fake.count("cuMemHostAlloc")).toBe(2);
    transfers.release();
    driver.call("test", "cuStreamDestroy_v2", stream);
    context.close();
  });
});
