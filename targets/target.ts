import type { FloatStorage } from "../ir/families/contract/params.js";
import type { Language } from "../ir/program/program.js";
import type { Architecture } from "./cuda/architectures.js";
import type { Gpu } from "./cuda/gpus.js";

/** What ternary layers multiply their weights with. */
export type Activations = "int8" | "bf16" | "f16" | "f32";

/** What attention multiplies queries with keys in, where rows are stored in bf16. */
export type AttentionProducts = "bf16" | "int8";

/** What text encoders and VAE multiply: f32, or f32 that is rounded to tf32 (10 bits behind the point) where there are tensor cores. */
export type NetworkProducts = "tf32" | "f32";

/** What kernels may count on: plain data, no code, so that a target prints and compares. */
export interface Target {
  /** The name on the command line and in `Program.target`. */
  readonly name: string;
  readonly language: Language;
  /** Other names it answers to. */
  readonly aliases?: readonly string[];
  /** One line for `tritc targets`. */
  readonly summary: string;
  readonly limits: TargetLimits;
  /** What its ternary kernels multiply; the default first. */
  readonly activations: readonly Activations[];
  /** What rows between two kernels of a transformer are stored in, unless all is to be computed in f32. */
  readonly activationStorage: FloatStorage;
  /** What attention may multiply besides what its rows are stored in. */
  readonly attentionProducts: readonly AttentionProducts[];
  /** What text encoders and VAE may multiply; the default first. */
  readonly networkProducts: readonly NetworkProducts[];
  /** Whether the linear that computes q and k can also normalize and rotate them. */
  readonly fusesHeads: boolean;
  /** Whether convolutions multiply transformed filters where they can (Winograd's method), which take four times the memory. */
  readonly winograd: boolean;
  /**
   * Whether a kernel may write its result over an operand whose element its thread has read: WebGPU binds no buffer for reading and
   * for writing at once.
   */
  readonly overwrites: boolean;
  /** Bytes of a device's memory that programs do not get. */
  readonly reservedBytes: number;
  /** Device features kernels may use. A kernel that uses one names it and has a fallback without it. */
  readonly features: readonly string[];
  /** What CUDA targets are besides. */
  readonly cuda?: CudaTarget;
}

export interface CudaTarget {
  /** What binaries are made for. */
  readonly architectures: readonly Architecture[];
  /** Whether kernels also come as PTX, which drivers compile for GPUs that came later. */
  readonly ptx: boolean;
  /** The GPU; null for a target of several. */
  readonly gpu: Gpu | null;
}

/** Sizes in bytes unless said otherwise. A limit that does not exist on a target is `Infinity`. */
export interface TargetLimits {
  /** What a program may take in all, however large the machine. */
  readonly maxMemoryBytes: number;
  readonly maxBufferBytes: number;
  /** The part of a buffer that one kernel argument may cover. */
  readonly maxBindingBytes: number;
  readonly maxWorkgroupInvocations: number;
  readonly maxWorkgroupStorageBytes: number;
  /** Workgroups of one dispatch along one axis; CUDA: along y and z. */
  readonly maxWorkgroupsPerDimension: number;
  /** Storage buffers that one kernel may bind. */
  readonly maxStorageBuffers: number;
}

/** Limits that decide how launches are cut. */
export type PlanLimits = Pick<TargetLimits, "maxBindingBytes" | "maxWorkgroupsPerDimension">;
