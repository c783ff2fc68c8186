import type { Dim } from "../dim.js";
import type { DType } from "../dtype.js";
import type { InputRole, ModelDescription } from "../models/index.js";

/**
 * Launch-level IR: kernels, buffers and launches in phases. Sizes are `Dim`s over a few symbols
 * (`img_tokens`, `txt_tokens`, `steps`), so one program serves every resolution.
 */
export interface Program {
  /** Name of the target the kernels were made for. */
  readonly target: string;
  /** Symbols that a run binds, in order; a program of static shapes has none. */
  readonly symbols: readonly string[];
  readonly buffers: readonly ProgramBuffer[];
  readonly kernels: readonly Kernel[];
  /** In the order in which they run; see `phases.ts`. */
  readonly phases: readonly Phase[];
  readonly inputs: readonly ProgramPort[];
  readonly outputs: readonly ProgramPort[];
  readonly model: ModelDescription | null;
}

/** Launches that run together: a graph of its own, how often it runs and what it may write. */
export interface Phase {
  readonly name: string;
  readonly runs: Repetition;
  /** Kinds of buffers that its launches may write. */
  readonly writes: readonly StorageKind[];
  readonly launches: readonly Launch[];
}

/**
 * load: once, when the program is loaded. prompt: once per prompt, for all steps together. step: for each evaluation of
 * the model. update: after a step, where the sampler says so; evaluations alone leave it out.
 */
export const REPETITIONS = ["load", "prompt", "step", "update"] as const;
export type Repetition = (typeof REPETITIONS)[number];

/** What devices compute in. i8 matrices hold four values to a 32-bit word; bool values are u32. */
export const DEVICE_DTYPES = [
  "f32",
  "f16",
  "bf16",
  "i32",
  "u32",
  "i8",
  "u8",
] as const satisfies readonly DType[];
export type DeviceDType = (typeof DEVICE_DTYPES)[number];

/** A contiguous array on the device; matrices are row-major. Sizes are rounded up to 16 bytes. */
export interface ProgramBuffer {
  readonly id: string;
  readonly dtype: DeviceDType;
  readonly elements: Dim;
  readonly storage: BufferStorage;
}

export type BufferStorage =
  /** Shares memory with the other members of its slot, whose lifetimes do not overlap with its own. */
  | { readonly kind: "arena"; readonly slot: number }
  /** A tensor of `weights.safetensors`, uploaded as it is and kept. */
  | { readonly kind: "weight"; readonly tensor: string }
  /** A tensor of `weights.safetensors` that only `load` reads: freed after the launch that reads it. */
  | { readonly kind: "staging"; readonly tensor: string }
  /** Filled by `load`, kept. */
  | { readonly kind: "resident" }
  /** Written by the host before `prompt` (inputs, the sampler's coefficients), kept during the run. */
  | { readonly kind: "host" }
  /** What updates write and keep from one to the next: the latents, which the host writes first, and what a sampler remembers. */
  | { readonly kind: "state" };

export type StorageKind = BufferStorage["kind"];

/** A graph input or output as the host sees it. */
export interface ProgramPort {
  /** The name in the source graph. */
  readonly name: string;
  readonly role: InputRole | "coefficient" | null;
  readonly buffer: string;
  /** Element type in the source graph; the buffer's is what the device computes in. */
  readonly dtype: DType;
  /** Shape at batch 1. */
  readonly shape: readonly Dim[];
  /** Index of the axis that a batch of samples runs along (the host loops over it), or null. */
  readonly batchAxis: number | null;
}

/** What the kernels of a program are written in, all of them in the same. */
export type Language = "wat" | "wgsl" | "cuda";

/**
 * A compiled function. Its source is `kernels/<id>.wgsl`, `.wat` or `.cu`, its binary `kernels/<id>.wasm` or
 * `.fatbin`.
 */
export interface Kernel {
  readonly id: string;
  readonly family: string;
  /** The template parameters it was made from, for people and tuning records. */
  readonly params: ParamRecord;
  /** What its code was made with besides; how it is launched follows from both. */
  readonly config: KernelConfig;
  readonly args: readonly KernelArg[];
  readonly scalars: readonly ScalarType[];
  /** Invocations of a workgroup (WGSL) or threads of a block (CUDA) in x, y, z; [1, 1, 1] where the target has none. */
  readonly workgroup: readonly [number, number, number];
  /** Device features the kernel needs (`shader-f16`, `subgroups`, `relaxed-simd`, `sm_80`). */
  readonly features: readonly string[];
  /** The same function for devices without `features`; its id is that of the fallback kernel. */
  readonly fallback: string | null;
  /** How a CUDA kernel is launched; null in other languages. */
  readonly cuda: CudaLaunch | null;
}

/** Parameters by name; what a family leaves to its default is left out. */
export interface ParamRecord {
  readonly [name: string]: ParamValue;
}
export type ParamValue = string | number | boolean | readonly ParamValue[] | ParamRecord;

/** What a CUDA launch needs besides its arguments; see `targets/cuda/abi.ts`. */
export interface CudaLaunch {
  /** Bytes of dynamic shared memory. */
  readonly sharedBytes: number;
  /** Tile sizes in x, y, z of this kernel, in place of those that the launch's grid names. */
  readonly tile: readonly [number, number, number];
  /** The kernel loops over tiles: a launch has no more blocks than fit on the device at once. */
  readonly persistent: boolean;
  /** Blocks that share a tile and run at the same time, as many as the kernel was compiled for; one if absent. */
  readonly cluster?: number;
  /** Tensor maps that the kernel takes after its arguments, in order. */
  readonly tensorMaps: readonly CudaTensorMap[];
}

/** A tensor map (TMA descriptor) over the rows of an argument. */
export interface CudaTensorMap {
  /** Index of the argument. */
  readonly arg: number;
  /** Elements of a row; what lies beyond reads as 0. */
  readonly columns: number;
  /** The number of rows: that of the launch, or the u32 scalar of this index. */
  readonly rows: "launch" | number;
  /** Elements of the box that one copy moves: columns, rows. */
  readonly box: readonly [number, number];
  /** The pattern that 16-byte chunks of a box are permuted by in shared memory. */
  readonly swizzle: "none" | "64B" | "128B";
}

/** The variant of a kernel's code, and the numbers that it is made with besides its parameters: tile sizes, stages, …. */
export interface KernelConfig {
  readonly variant: string;
  readonly [name: string]: string | number | boolean;
}

export interface KernelArg {
  readonly name: string;
  readonly dtype: DeviceDType;
  readonly access: "read" | "write";
  /** True: row m of the launch touches row m of this argument only, so a launch may be split along rows. */
  readonly byRow: boolean;
}

/** row: the first row of the launch, which is 0, or of a piece of it where a device cuts it into pieces of rows. */
export const SCALAR_TYPES = ["u32", "f32", "row"] as const;
export type ScalarType = (typeof SCALAR_TYPES)[number];

/**
 * One kernel run over `grid`. The kernel receives 32-bit words:
 *   [rows, offset₀, stride₀, offset₁, stride₁, …, scalar₀, scalar₁, …]
 * one (offset, stride) pair per argument, in elements of its dtype. On a device with one address space
 * (WebAssembly) each offset is replaced by the byte address of the element. A row stride of 0 repeats row 0.
 */
export interface Launch {
  readonly kernel: string;
  readonly rows: Dim;
  readonly args: readonly LaunchArg[];
  /** u32 scalars are Dims; f32 scalars are numbers; row scalars are 0. */
  readonly scalars: readonly Dim[];
  /** Tiles along x, y, z: ceil(size / tile) each. On WebAssembly, x runs fastest in one linear index. */
  readonly grid: readonly GridAxis[];
  /** For messages and profiles: the role or op it came from. */
  readonly label: string;
}

export interface GridAxis {
  readonly size: Dim;
  readonly tile: number;
}

export interface LaunchArg {
  readonly buffer: string;
  /** Elements from the buffer's start to row 0. */
  readonly offset: Dim;
  /** Elements from one row to the next. */
  readonly rowStride: Dim;
  /** Elements added to the offset per denoising step: row `step` of a value computed for all steps. */
  readonly stepStride: Dim;
}
