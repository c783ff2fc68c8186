import type { Kernel } from "../program/program.js";
import { Params } from "./params.js";

/** The language that a kernel is written in; a program's kernels are all in that of its target. */
export type Language = "wat" | "wgsl" | "cuda";

export function languageOfTarget(target: string): Language {
  if (target === "cpu") return "wat";
  return target === "webgpu" ? "wgsl" : "cuda";
}

/** The language of a kernel by its record: only CUDA says how it is launched, only WebAssembly has no workgroups. */
export function languageOf(kernel: Pick<Kernel, "cuda" | "workgroup">): Language {
  if (kernel.cuda !== null) return "cuda";
  return kernel.workgroup.every((size) => size === 1) ? "wat" : "wgsl";
}

/** A matrix in the layout that kernels of one language read. */
export interface WeightLayout {
  /** Two layouts are the same where their names are. */
  readonly name: string;
  /** 32-bit words. */
  readonly words: number;
}

/** Channels of a panel, or of a block, and k of a block; 2-bit codes lie 16 to a word. */
const DENSE_PANEL = { wat: 8, wgsl: 64, cuda: 64 } as const;
const CODES = {
  wat: { i8: [8, 16], float: [4, 16] },
  wgsl: { i8: [64, 16], float: [64, 16] },
  cuda: { i8: [64, 128], float: [64, 128] },
} as const;

/** The layout of the weights that a kernel reads or that it unpacks into; undefined where it has none. */
export function weightLayout(kernel: Kernel): WeightLayout | undefined {
  const language = languageOf(kernel);
  const p = new Params(kernel);
  switch (kernel.family) {
    case "dense-gemm":
    case "unpack-dense": {
      const [n, k] = [p.size("n"), p.size("k")];
      return { name: `dense ${n} x ${k}`, words: k * roundUp(n, DENSE_PANEL[language]) };
    }
    case "ternary-gemm":
    case "unpack-trits": {
      const [n, k] = [p.size("n"), p.size("k")];
      const activations = p.word("activations", "i8", "bf16", "f32");
      const [channels, block] = CODES[language][activations === "i8" ? "i8" : "float"];
      return {
        name: `ternary ${n} x ${k} for ${activations}`,
        words: (roundUp(n, channels) * roundUp(k, block)) / 16,
      };
    }
    default:
      return undefined;
  }
}

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
