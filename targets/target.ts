/** What ternary layers multiply their weights with. */
export type Activations = "int8" | "bf16" | "f16" | "f32";

/** What kernels may count on: plain data, no code, so that a target prints and compares. */
export interface Target {
  /** The name on the command line and in `Program.target`. */
  readonly name: string;
  /** The language its kernels are written in. */
  readonly language: "wat" | "wgsl" | "cuda";
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
}

/** Sizes in bytes unless said otherwise. A limit that does not exist on a target is `Infinity`. */
export interface TargetLimits {
  readonly maxBufferBytes: number;
  /** The part of a buffer that one kernel argument may cover. */
  readonly maxBindingBytes: number;
  readonly maxWorkgroupInvocations: number;
  readonly maxWorkgroupStorageBytes: number;
  /** Workgroups of one dispatch along one axis. */
  readonly maxWorkgroupsPerDimension: number;
  /** Storage buffers that one kernel may bind. */
  readonly maxStorageBuffers: number;
}
