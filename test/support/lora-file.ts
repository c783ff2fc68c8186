import { serialize } from "../../ir/format/safetensors.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import type { EditWeight, Tensors } from "./diffusers-model.js";
import { randomFloats } from "./random.js";

/** The adapter of one module: its name in the file, and the roles that its rows are for. */
export interface LoraModule {
  readonly name: string;
  readonly roles: readonly string[];
  readonly rank: number;
  /** None is written if absent: the rank then. */
  readonly alpha?: number;
}

export interface LoraFile {
  readonly bytes: Uint8Array;
  readonly tensors: Map<string, Tensor>;
  /** Adds `scale` times the adapter to the weights of a model, in double precision. */
  edit(scale: number): EditWeight;
}

export type LoraNames = readonly [down: string, up: string];
export const PEFT: LoraNames = ["lora_A", "lora_B"];
export const KOHYA: LoraNames = ["lora_down", "lora_up"];

/** Roles of the linears that exporters join, in the order of their rows. */
const JOINED: Readonly<Record<string, readonly string[]>> = {
  qkv: ["q", "k", "v"],
  linear1: ["q", "k", "v", "mlp.up"],
};

/** Random adapters for modules of a model whose weights by role are given. */
export function loraFile(
  modules: readonly LoraModule[],
  weights: Tensors,
  names: LoraNames,
  seed = 11,
): LoraFile {
  const tensors = new Map<string, Tensor>();
  const deltas = new Map<string, Float64Array>();
  for (const [i, { name, roles, rank, alpha }] of modules.entries()) {
    const shapes = roles.map((role) => weights.get(role)?.shape ?? []);
    const rows = shapes.reduce((sum, [out = 0]) => sum + out, 0);
    const columns = shapes[0]?.[1] ?? 0;
    const down = randomFloats(seed + 2 * i, rank * columns, 0.3);
    const up = randomFloats(seed + 2 * i + 1, rows * rank, 0.3);
    tensors.set(`${name}.${names[0]}.weight`, { dtype: "f32", shape: [rank, columns], data: down });
    tensors.set(`${name}.${names[1]}.weight`, { dtype: "f32", shape: [rows, rank], data: up });
    if (alpha !== undefined) {
      tensors.set(`${name}.alpha`, { dtype: "f32", shape: [], data: Float32Array.of(alpha) });
    }
    let first = 0;
    for (const [r, role] of roles.entries()) {
      const count = shapes[r]?.[0] ?? 0;
      const delta = new Float64Array(count * columns);
      for (let row = 0; row < count; row++) {
        const sums = delta.subarray(row * columns, (row + 1) * columns);
        for (let t = 0; t < rank; t++) {
          const factor = up[(first + row) * rank + t]!;
          for (let c = 0; c < columns; c++) sums[c]! += factor * down[t * columns + c]!;
        }
        for (let c = 0; c < columns; c++) sums[c] = (sums[c]! * (alpha ?? rank)) / rank;
      }
      deltas.set(role, delta);
      first += count;
    }
  }
  const edit = (scale: number): EditWeight => {
    return (role, values) => {
      let at = 0;
      for (const part of partsOf(role)) {
        const delta = deltas.get(part);
        if (delta !== undefined) {
          for (let k = 0; k < delta.length; k++) values[at + k]! += scale * delta[k]!;
        }
        at += countOf(weights.get(part)?.shape ?? []);
      }
    };
  };
  return { bytes: serialize(tensors), tensors, edit };
}

function partsOf(role: string): readonly string[] {
  if (role === "norm_out") return ["norm_out.scale", "norm_out.shift"];
  const [, prefix = "", leaf = ""] = /^(.*)\.(qkv|linear1)$/.exec(role) ?? [];
  return JOINED[leaf]?.map((part) => `${prefix}.${part}`) ?? [role];
}
