import type { Kernel, Language } from "../../program/program.js";

export function languageOfTarget(target: string): Language {
  if (target === "cpu") return "wat";
  return target === "webgpu" ? "wgsl" : "cuda";
}

/** The language of a kernel by its record: only CUDA says how it is launched, only WebAssembly has no workgroups. */
export function languageOf(kernel: Pick<Kernel, "cuda" | "workgroup">): Language {
  if (kernel.cuda !== null) return "cuda";
  return kernel.workgroup.every((size) => size === 1) ? "wat" : "wgsl";
}
