/** What ternary layers multiply their weights with. */
export type Activations = "int8" | "bf16" | "f16" | "f32";

/** What attention multiplies queries with keys in, where rows are stored in bf16. */
export type AttentionProducts = "bf16" | "int8";

/** What kernels may count on: plain data, no code, so that a target prints and compares. */
export interface Target {
  /** The name on the command line and in `Program.target`. */
  readonly name: string;
  /** The language its kernels are written in. */
  readonly language: "wat" | "wgsl" | "cuda";
  /** Other names it answers to. */
  readonly aliases?: readonly string[];
  /** One line for `tritc targets`. */
  readonly summary: string;
  readonly limits: TargetLimits;
  /** What its ternary kernels multiply; the default first. */
  readonly activations: readonly Activations[];
  /** Device features kernels may use. A kernel that uses one names it and has a fallback without it. */
  readonly features: readonly string[];
  /** What CUDA targets are besides. */
  readonly cuda?: CudaTarget;
}

/**
 * A code generation target of nvcc: `sm_<major><minor>`, with an `a` for instructions that no other architecture has.
 */
export type Architecture = "sm_70" | "sm_75" | "sm_80" | "sm_86" | "sm_89" | "sm_90a" | "sm_100a" | "sm_120a";

export interface CudaTarget {
  /** What binaries are made for. */
  readonly architectures: readonly Architecture[];
  /** Whether kernels also come as PTX, which drivers compile for GPUs that came later. */
  readonly ptx: boolean;
  /** The GPU; null for a target of several. */
  readonly gpu: Gpu | null;
}

/** A GPU by its vendor's numbers; null where the vendor gives none. */
export interface Gpu {
  /** With the form that the numbers are for, where there are several. */
  readonly model: string;
  readonly sms: number | null;
  readonly l2Bytes: number | null;
  readonly memoryBytes: number;
  /** Bytes per second. */
  readonly memoryBandwidth: number;
  /** Peak dense rate of bf16 matrix instructions with f32 accumulators, in 10^12 operations per second. */
  readonly bf16Tflops: number | null;
  /** Peak dense rate of int8 matrix instructions, in 10^12 operations per second. */
  readonly int8Tops: number | null;
  /** Where the numbers come from. */
  readonly sources: readonly string[];
  /** What the numbers leave out. */
  readonly note?: string;
}

/** Sizes in bytes unless said otherwise. A limit that does not exist on a target is `Infinity`. */
export interface TargetLimits {
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
