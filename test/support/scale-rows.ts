import { expect } from "vitest";
import type { Dim } from "../../ir/dim.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Kernel, KernelArg, Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import type { KernelCode, WeightSource } from "../../runtime/device.js";
import { cudaHeader } from "../../templates/cuda/header.js";
import { emulatorModule } from "./cuda-emulator.js";
import { randomFloats } from "./random.js";

/** A small CUDA program with every kind of buffer and phase, of one hand-written kernel. */

const byRow = (name: string, access: KernelArg["access"] = "read"): KernelArg => ({
  name,
  dtype: "f32",
  access,
  byRow: true,
});

export const C = 5;
const ARGS = [byRow("x"), byRow("delta"), byRow("out", "write")];

/** out = factor·x + delta, a row of `C` to a block. */
export function kernelOf(id: string, change: Partial<Kernel> = {}): Kernel {
  return {
    id,
    family: "scale-rows",
    params: {},
    config: { variant: "test" },
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

/**
 * Modules by kernel id: `scale`; `stray`, which writes far beyond its rows; `sm_75`, `sm_80` and `sm_90a`, which mark
 * what they compute; `none`, which has no code for any device.
 */
export async function scaleRowsCode(): Promise<KernelCode> {
  const modules = new Map<string, Uint8Array<ArrayBuffer>>();
  modules.set("scale", await emulatorModule(sourceOf("out[c] = factor * x + delta;")));
  modules.set("stray", await emulatorModule(sourceOf("out[c + 100000] = x;")));
  for (const sm of ["sm_75", "sm_80", "sm_90a"]) {
    const mark = Number.parseInt(sm.slice(3), 10);
    modules.set(sm, await emulatorModule(sourceOf(`out[c] = factor * x + delta + ${mark}.0f;`)));
  }
  // An ELF file for NVIDIA's machine: what the real driver would take.
  const cubin = new Uint8Array(64);
  cubin.set([0x7f, 0x45, 0x4c, 0x46]);
  cubin[18] = 190;
  modules.set("none", cubin);
  return {
    source(id) {
      throw new Error(`no source of ${id}`);
    },
    binary: (id) => modules.get(id) ?? new Uint8Array(64),
  };
}

export const at = (buffer: string, rowStride: Dim = C, stepStride: Dim = 0): Launch["args"][number] => ({
  buffer,
  offset: 0,
  rowStride,
  stepStride,
});

export function scaling(
  from: string,
  delta: Launch["args"][number],
  to: string,
  rows: Dim,
  factor: number,
): Launch {
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

export const buffer = (
  id: string,
  elements: Dim,
  storage: ProgramBuffer["storage"],
  dtype: ProgramBuffer["dtype"] = "f32",
): ProgramBuffer => ({ id, elements, storage, dtype });

/** kept = 2·packed + zero; y = 3·x + table[step]; x = 0.5·y + kept's first row. */
export const PROGRAM: Program = {
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
  phases: phasesWith({
    load: [scaling("packed", at("zero", 0), "kept", 2, 2)],
    prompt: [scaling("x", at("zero", 0), "z", "t", 1)],
    step: [scaling("x", at("table", 0, 1), "y", "t", 3)],
    euler: [scaling("y", at("kept", 0), "x", "t", 0.5)],
  }),
  inputs: [],
  outputs: [],
  model: null,
};

export const PACKED = randomFloats(1, 2 * C);
export const weights: WeightSource = {
  bytes: async (tensor) =>
    new Uint8Array((tensor === "packed" ? PACKED.slice() : new Float32Array(1)).buffer),
};

/** What PROGRAM makes of x. */
export function expected(x: Float32Array, table: readonly number[], steps: readonly number[]): number[] {
  let values = [...x];
  for (const step of steps) {
    values = values.map((v) =>
      Math.fround(0.5 * Math.fround(3 * v + (table[step] ?? 0)) + 2 * (PACKED[0] ?? 0)),
    );
  }
  return values;
}

export function expectNear(actual: ArrayLike<number>, wanted: readonly number[]): void {
  expect(actual.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries()) expect(actual[i]).toBeCloseTo(value, 4);
}
