import { describe, expect, it } from "vitest";
import { phasesWith } from "../../ir/program/phases.js";
import type { Kernel, KernelArg, Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import { packArguments } from "../../runtime/node/cuda/arguments.js";
import type { LoadedKernel } from "../../runtime/node/cuda/loaded-kernels.js";
import { type PlanInputs, planLaunch } from "../../runtime/node/cuda/planned-launches.js";
import { cudaRunsOn } from "../../targets/cuda/abi.js";
import { targetForDevice } from "../../targets/cuda/for-device.js";
import { planKept, planRun, planStaging } from "../../targets/cuda/memory.js";
import { deviceKinds, hasFeature } from "../../targets/device-kind.js";
import { ARCHITECTURES, TARGETS } from "../../targets/index.js";

const reads = (name: string, dtype: KernelArg["dtype"], byRow = true): KernelArg => ({
  name,
  dtype,
  access: "read",
  byRow,
});

const OUT: KernelArg = { name: "out", dtype: "f32", access: "write", byRow: true };

function kernelOf(
  change: Partial<Kernel> = {},
  cuda: Partial<NonNullable<Kernel["cuda"]>> = {},
): LoadedKernel {
  const launched = { sharedBytes: 0, tile: [64, 4, 1], persistent: false, tensorMaps: [], ...cuda } as const;
  const kernel: Kernel = {
    id: "k",
    family: "adaln",
    params: {},
    config: { variant: "test" },
    args: [reads("x", "bf16"), reads("shift", "f32", false), OUT],
    scalars: [],
    workgroup: [128, 1, 1],
    features: ["sm_80"],
    fallback: null,
    cuda: launched,
    ...change,
  };
  const blocksPerMultiprocessor = launched.persistent ? 2 : null;
  const activeClusters = launched.cluster === undefined ? null : 3;
  return { kernel, cuda: launched, module: 1n, function: 2n, blocksPerMultiprocessor, activeClusters };
}

const ADDRESSES: Readonly<Record<string, bigint>> = { x: 0x10000n, shift: 0x20000n, out: 0x7f00000000n };

function inputsOf(loaded: LoadedKernel, bindings: PlanInputs["bindings"] = {}): PlanInputs {
  return {
    bindings,
    kernel: () => loaded,
    address: (buffer) => ADDRESSES[buffer] ?? 0n,
    step: 0x99n,
    multiprocessors: 5,
  };
}

const at = (
  buffer: string,
  rowStride: Launch["rows"],
  offset: Launch["rows"] = 0,
  stepStride: Launch["rows"] = 0,
) => ({ buffer, offset, rowStride, stepStride });

function launchOf(rows: Launch["rows"], change: Partial<Launch> = {}): Launch {
  return {
    kernel: "k",
    rows,
    args: [at("x", 100, 24), at("shift", 0, 0, 7), at("out", 96)],
    scalars: [],
    grid: [
      { size: 96, tile: 1 },
      { size: rows, tile: 1 },
    ],
    label: "rows",
    ...change,
  };
}

describe("compute capabilities", () => {
  it.each([
    ["sm_70", 7, 0, true],
    ["sm_80", 7, 5, false],
    ["sm_80", 8, 9, true],
    ["sm_80", 12, 0, true],
    ["sm_90a", 9, 0, true],
    ["sm_90a", 10, 0, false],
    ["sm_100a", 10, 0, true],
    ["sm_100a", 10, 3, false],
    ["sm_86", 8, 0, false],
    ["shader-f16", 9, 0, false],
  ])("%s on %i.%i: %s", (feature, major, minor, runs) => {
    expect(cudaRunsOn(feature, major, minor)).toBe(runs);
  });

  it("choose kernels as the templates do", () => {
    const kinds = TARGETS.flatMap(deviceKinds).filter(({ cuda }) => cuda !== null);
    for (const { name: requires } of kinds) {
      for (const kind of kinds) {
        const number = Number.parseInt(kind.name.slice(3), 10);
        const [major, minor] = [Math.floor(number / 10), number % 10];
        const has = hasFeature(kind, requires);
        expect(cudaRunsOn(requires, major, minor), `${requires} on ${kind.name}`).toBe(has);
      }
    }
  });

  it("name the target to compile for", () => {
    const devices = [
      ["Tesla V100-SXM2-32GB", 7, 0, "v100"],
      ["NVIDIA TITAN V", 7, 0, "v100"],
      ["Tesla T4", 7, 5, "t4"],
      ["NVIDIA A100-SXM4-80GB", 8, 0, "a100"],
      ["NVIDIA A10", 8, 6, "a10"],
      ["NVIDIA A40", 8, 6, "cuda-portable"],
      ["NVIDIA L40S", 8, 9, "l40s"],
      ["NVIDIA GeForce RTX 4090", 8, 9, "rtx-4090"],
      ["NVIDIA H100 80GB HBM3", 9, 0, "h100"],
      ["NVIDIA H200", 9, 0, "h200"],
      ["NVIDIA H20", 9, 0, "cuda-portable"],
      ["NVIDIA B300", 10, 3, "cuda-portable"],
      ["NVIDIA GeForce RTX 5090", 12, 0, "rtx-5090"],
      ["Tesla P100", 6, 0, null],
    ] as const;
    for (const [name, major, minor, target] of devices)
      expect(targetForDevice(name, major, minor), name).toBe(target);
    for (const { name, cuda } of TARGETS) {
      const [architecture] = cuda?.architectures ?? [];
      if (cuda?.gpu == null || architecture === undefined) continue;
      const capability = ARCHITECTURES[architecture].computeCapability;
      expect(targetForDevice(`NVIDIA ${cuda.gpu.model}`, ...capability)).toBe(name);
    }
  });
});

describe("kernel arguments", () => {
  it("lie where the kernels' struct has them", () => {
    const kernel = { args: [reads("a", "f32"), reads("b", "i8")], scalars: ["u32", "f32", "u32"] } as const;
    const bytes = packArguments(kernel, {
      rows: 0xfedcba98,
      step: 0x1122334455667788n,
      args: [
        { address: 0xaabbccddeeff0011n, stride: 3072, stepStride: 9 },
        { address: 5n, stride: 0, stepStride: 0xffffffff },
      ],
      scalars: [7, -1.5, 0xffffffff],
    });
    const view = new DataView(bytes.buffer);
    expect(bytes.byteLength).toBe(64);
    expect(view.getUint32(0, true)).toBe(0xfedcba98);
    expect(view.getUint32(4, true)).toBe(0);
    expect(view.getBigUint64(8, true)).toBe(0x1122334455667788n);
    expect(view.getBigUint64(16, true)).toBe(0xaabbccddeeff0011n);
    expect([view.getUint32(24, true), view.getUint32(28, true)]).toEqual([3072, 9]);
    expect(view.getBigUint64(32, true)).toBe(5n);
    expect([view.getUint32(40, true), view.getUint32(44, true)]).toEqual([0, 0xffffffff]);
    expect(view.getUint32(48, true)).toBe(7);
    expect(view.getFloat32(52, true)).toBe(-1.5);
    expect(view.getUint32(56, true)).toBe(0xffffffff);
    expect(view.getUint32(60, true)).toBe(0);
  });
});

describe("planned launches", () => {
  it("have the tiles of the variant that runs and byte addresses of row 0", () => {
    const [planned, ...more] = planLaunch(launchOf("t"), inputsOf(kernelOf(), { t: 9 }));
    expect(more).toEqual([]);
    expect(planned?.grid).toEqual([2, 3, 1]);
    expect(planned?.args).toEqual({
      rows: 9,
      step: 0x99n,
      args: [
        { address: 0x10000n + 48n, stride: 100, stepStride: 0 },
        { address: 0x20000n, stride: 0, stepStride: 7 },
        { address: 0x7f00000000n, stride: 96, stepStride: 0 },
      ],
      scalars: [],
    });
  });

  it("are left out where there is nothing to do", () => {
    expect(planLaunch(launchOf("t"), inputsOf(kernelOf(), { t: 0 }))).toEqual([]);
    const empty = launchOf(4, { grid: [{ size: "t", tile: 1 }] });
    expect(planLaunch(empty, inputsOf(kernelOf(), { t: 0 }))).toEqual([]);
  });

  it("are cut where rows need more blocks than a grid has", () => {
    const rows = 65_535 * 4 * 2 + 5;
    const planned = planLaunch(launchOf(rows), inputsOf(kernelOf()));
    expect(planned.map(({ grid }) => grid)).toEqual([
      [2, 65_535, 1],
      [2, 65_535, 1],
      [2, 2, 1],
    ]);
    expect(planned.map(({ args }) => args.rows)).toEqual([262_140, 262_140, 5]);
    expect(planned[2]?.args.args.map(({ address }) => address)).toEqual([
      0x10000n + 48n + 524_280n * 200n,
      0x20000n,
      0x7f00000000n + 524_280n * 384n,
    ]);
  });

  it("refuse a grid that CUDA has not", () => {
    const loaded = kernelOf({ args: [reads("x", "f32"), { ...OUT, byRow: false }] });
    const launch = launchOf(262_141, { args: [at("x", 1), at("out", 1)] });
    expect(() => planLaunch(launch, inputsOf(loaded))).toThrow(
      /launch rows \(kernel k\): the grid[\s\S]*65535[\s\S]*2 × 65536 × 1/,
    );
  });

  it("of a persistent kernel have the blocks that fit, and no more than tiles", () => {
    const loaded = kernelOf({}, { persistent: true });
    expect(planLaunch(launchOf(400), inputsOf(loaded))[0]?.grid).toEqual([10, 1, 1]);
    expect(planLaunch(launchOf(13), inputsOf(loaded))[0]?.grid).toEqual([8, 1, 1]);
    expect(planLaunch(launchOf(2 ** 20), inputsOf(loaded))).toHaveLength(1);
  });

  it("of clusters have as many as fit, whole ones, and no more than tiles", () => {
    const loaded = kernelOf({}, { persistent: true, cluster: 4 });
    expect(planLaunch(launchOf(400), inputsOf(loaded))[0]?.grid).toEqual([12, 1, 1]);
    expect(planLaunch(launchOf(3), inputsOf(loaded))[0]?.grid).toEqual([8, 1, 1]);
  });

  it("have tensor maps over whole rows", () => {
    const map = { arg: 0, columns: 96, rows: "launch", box: [64, 8], swizzle: "128B" } as const;
    const loaded = kernelOf({ scalars: ["u32"] }, { tensorMaps: [map, { ...map, rows: 0 }] });
    const args = [at("x", 104, 24), at("shift", 0), at("out", 96)];
    const [planned] = planLaunch(launchOf(9, { args, scalars: [30] }), inputsOf(loaded));
    expect(planned?.tensorMaps[0]).toEqual({
      dtype: "bf16",
      address: 0x10000n + 48n,
      size: [96, 9],
      rowBytes: 208,
      box: [64, 8],
      swizzle: "128B",
    });
    expect(planned?.tensorMaps[1]?.size).toEqual([96, 30]);
    const [single] = planLaunch(
      launchOf(1, { args: [at("x", 0, 8), ...args.slice(1)], scalars: [1] }),
      inputsOf(loaded),
    );
    expect(single?.tensorMaps[0]).toMatchObject({ size: [96, 1], rowBytes: 192 });
  });

  it("leave out tensor maps over other rows of floats, and refuse them over int8 rows", () => {
    const map = { arg: 0, columns: 96, rows: "launch", box: [64, 8], swizzle: "none" } as const;
    const rest = [at("shift", 0), at("out", 96)];
    for (const first of [at("x", 104, 1), at("x", 100, 8), at("x", 104, 0, 104), at("x", 0)]) {
      const launch = launchOf(9, { args: [first, ...rest] });
      const floats = planLaunch(launch, inputsOf(kernelOf({}, { tensorMaps: [map] })));
      expect(floats[0]?.tensorMaps).toEqual([null]);
      const int8 = kernelOf({ args: [reads("x", "i8"), reads("shift", "f32"), OUT] }, { tensorMaps: [map] });
      expect(() => planLaunch(launch, inputsOf(int8))).toThrow(/the layout of x, which is read through/);
    }
  });
});

describe("device memory", () => {
  const buffer = (
    id: string,
    elements: ProgramBuffer["elements"],
    storage: ProgramBuffer["storage"],
    dtype: ProgramBuffer["dtype"] = "f32",
  ): ProgramBuffer => ({ id, elements, storage, dtype });
  const program: Program = {
    target: "h200",
    symbols: ["t"],
    buffers: [
      buffer("w", 3, { kind: "weight", tensor: "w" }),
      buffer("unpacked", 65, { kind: "resident" }),
      buffer("packed", 7, { kind: "staging", tensor: "p" }, "u8"),
      buffer("in", "t", { kind: "host" }),
      buffer("a", "64*t", { kind: "arena", slot: 0 }, "bf16"),
      buffer("b", "t+1", { kind: "arena", slot: 1 }),
      buffer("c", "100*t", { kind: "arena", slot: 0 }, "i8"),
    ],
    kernels: [],
    phases: phasesWith({ load: [], prompt: [], step: [], euler: [] }),
    inputs: [],
    outputs: [],
    model: null,
  };

  it("is one allocation of weights and one of everything else, aligned and without overlaps", () => {
    const kept = planKept(program);
    expect([...kept.offsets]).toEqual([
      ["w", 256],
      ["unpacked", 512],
    ]);
    expect(kept.bytes).toBe(512 + 272 + 256);
    const run = planRun(program, { t: 5 });
    expect([...run.offsets]).toEqual([
      ["in", 0],
      ["a", 256],
      ["c", 256],
      ["b", 1024],
    ]);
    expect(run.bytes).toBe(1024 + 32 + 256);
  });

  it("holds the staged tensors of one launch at a time", () => {
    const buffers = new Map(program.buffers.map((entry) => [entry.id, entry]));
    const launch = launchOf(1, { args: [at("packed", 0), at("packed", 0), at("unpacked", 0)] });
    const plan = planStaging(launch, buffers);
    expect([...plan.offsets]).toEqual([["packed", 0]]);
    expect(plan.bytes).toBe(16 + 256);
    expect(planStaging(launchOf(1), buffers).bytes).toBe(0);
  });
});
