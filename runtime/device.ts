import type { Bindings } from "../ir/dim.js";
import type { Program } from "../ir/program/program.js";
import type { PromptWeightsPolicy } from "../ir/program/prompt-weights.js";

/** Sources and binaries of a bundle's kernels, by kernel id. */
export interface KernelCode {
  /** WGSL text, for targets that compile at load time. */
  source(id: string): string;
  /** WebAssembly module of the cpu target, fat binary of CUDA targets. */
  binary(id: string): Uint8Array<ArrayBuffer>;
}

/** Raw bytes of a tensor of `weights.safetensors`; read when the device uploads it, not kept. */
export interface WeightSource {
  bytes(tensor: string): Promise<Uint8Array>;
}

export interface LoadOptions {
  /**
   * `stream` keeps no weights that only `prompt` reads: each run of `prompt` reads them again from the source, one launch
   * after the other. Default `keep`.
   */
  readonly promptWeights?: PromptWeightsPolicy;
}

/** One device of one kind: WebAssembly workers, WebGPU, CUDA. */
export interface Device {
  readonly kind: "cpu" | "webgpu" | "cuda";
  /** What a person would call it: adapter name, thread count. */
  readonly description: string;
  /** Whether kernels that need this feature run on it; of CUDA an architecture, such as `sm_80`. */
  has(feature: string): boolean;
  /** Compiles kernels, uploads weights and runs the `load` phase. */
  load(
    program: Program,
    code: KernelCode,
    weights: WeightSource,
    options?: LoadOptions,
  ): Promise<LoadedProgram>;
  /** Waits for what was asked for, closes programs that are still open, and frees the device. */
  close(): Promise<void>;
}

/**
 * A program on its device. Calls may be made at any time, and are done in order of arrival; `write` is refused while others
 * are at work (TRITC_E_BUSY). Sequences that belong together take `sequencesOf(program)`.
 */
export interface LoadedProgram {
  /**
   * Sets the symbols (token counts, steps) and allocates buffers for them; cheap when nothing changed. Where memory is short,
   * nothing is bound. `form` has the same kernels, weights and `load` as the program that was loaded, and takes its place until
   * the next call, such as `forTwoTexts` of it; the loaded one if absent.
   */
  bind(bindings: Bindings, form?: Program): Promise<void>;
  /** Fills a `host` buffer; `data` has exactly its elements. */
  write(buffer: string, data: Float32Array | Int32Array): void;
  /** Runs phases, named, one after the other in one submission. `step` selects step-indexed arguments. */
  run(phases: readonly string[], step: number): Promise<void>;
  /**
   * As `run`; resolves to the seconds that it took by the device's own clock, undefined where that gave nothing to believe. Absent
   * where the device has none, or was not opened for timing.
   */
  timed?(phases: readonly string[], step: number): Promise<number | undefined>;
  /** The first `elements` (default all) of a buffer, as its device dtype (u32 for bool; i8 as Int8Array, bf16 as its bits). */
  read(buffer: string): Promise<Float32Array | Int32Array | Uint32Array | Int8Array | Uint16Array>;
  /** Bytes the program holds on the device now, weights and buffers. */
  memoryBytes(): number;
  /** The most that it has held at one time since it was loaded. */
  peakMemoryBytes(): number;
  close(): Promise<void>;
}
