/** CUDA toolkits as `major.minor`. */
export interface ToolkitRange {
  readonly first: string;
  /** The last that still has it; null while NVIDIA has not dropped it. */
  readonly last: string | null;
}

/** What every GPU of an architecture has. */
export interface ArchitectureFacts {
  readonly computeCapability: readonly [major: number, minor: number];
  /** The toolkits whose nvcc makes binaries for it. */
  readonly toolkit: ToolkitRange;
  /** PTX matrix instructions for 8 and 16 bits, the fastest first. */
  readonly matrixInstructions: readonly string[];
  /** Bytes of shared memory that one block may have, static and dynamic together. */
  readonly sharedBytesPerBlock: number;
  readonly sharedBytesPerSm: number;
  /** 32-bit registers of an SM, which are also the most that one block may have. */
  readonly registersPerSm: number;
  readonly threadsPerSm: number;
}

/** Sizes per block and SM, by compute capability. */
export const ARCHITECTURE_SOURCE =
  "https://docs.nvidia.com/cuda/cuda-c-programming-guide/#features-and-technical-specifications";
/** Which release added or dropped an architecture. */
export const TOOLKIT_SOURCE = "https://docs.nvidia.com/cuda/archive/";
/** Matrix instructions and the architectures that have them. */
export const INSTRUCTION_SOURCE = "https://docs.nvidia.com/cuda/parallel-thread-execution/#instruction-set";

/** The first toolkit that compiles the kernels for any architecture: they take arguments as `__grid_constant__`. */
export const FIRST_TOOLKIT = "11.7";

const KIB = 1024;
const REGISTERS = 64 * KIB;

const AMPERE = [
  "mma.sync.m16n8k32.s32.u8.s8.s32",
  "mma.sync.m16n8k16.f32.bf16.bf16.f32",
  "mma.sync.m16n8k16.f32.f16.f16.f32",
] as const;

const FACTS = {
  sm_70: {
    computeCapability: [7, 0],
    toolkit: { first: "9.0", last: "12.9" },
    matrixInstructions: ["mma.sync.m8n8k4.f32.f16.f16.f32", "dp4a"],
    sharedBytesPerBlock: 96 * KIB,
    sharedBytesPerSm: 96 * KIB,
    registersPerSm: REGISTERS,
    threadsPerSm: 2048,
  },
  sm_75: {
    computeCapability: [7, 5],
    toolkit: { first: "10.0", last: null },
    matrixInstructions: ["mma.sync.m8n8k16.s32.u8.s8.s32", "mma.sync.m16n8k8.f32.f16.f16.f32"],
    sharedBytesPerBlock: 64 * KIB,
    sharedBytesPerSm: 64 * KIB,
    registersPerSm: REGISTERS,
    threadsPerSm: 1024,
  },
  sm_80: {
    computeCapability: [8, 0],
    toolkit: { first: "11.0", last: null },
    matrixInstructions: AMPERE,
    sharedBytesPerBlock: 163 * KIB,
    sharedBytesPerSm: 164 * KIB,
    registersPerSm: REGISTERS,
    threadsPerSm: 2048,
  },
  sm_86: {
    computeCapability: [8, 6],
    toolkit: { first: "11.1", last: null },
    matrixInstructions: AMPERE,
    sharedBytesPerBlock: 99 * KIB,
    sharedBytesPerSm: 100 * KIB,
    registersPerSm: REGISTERS,
    threadsPerSm: 1536,
  },
  sm_89: {
    computeCapability: [8, 9],
    toolkit: { first: "11.8", last: null },
    matrixInstructions: [...AMPERE, "mma.sync.m16n8k32.f32.e4m3.e4m3.f32"],
    sharedBytesPerBlock: 99 * KIB,
    sharedBytesPerSm: 100 * KIB,
    registersPerSm: REGISTERS,
    threadsPerSm: 1536,
  },
  sm_90a: {
    computeCapability: [9, 0],
    toolkit: { first: "12.0", last: null },
    matrixInstructions: [
      "wgmma.mma_async.m64nNk32.s32.u8.s8",
      "wgmma.mma_async.m64nNk16.f32.bf16.bf16",
      ...AMPERE,
    ],
    sharedBytesPerBlock: 227 * KIB,
    sharedBytesPerSm: 228 * KIB,
    registersPerSm: REGISTERS,
    threadsPerSm: 2048,
  },
  sm_100a: {
    computeCapability: [10, 0],
    toolkit: { first: "12.8", last: null },
    matrixInstructions: ["tcgen05.mma.kind::i8", "tcgen05.mma.kind::f16", ...AMPERE],
    sharedBytesPerBlock: 227 * KIB,
    sharedBytesPerSm: 228 * KIB,
    registersPerSm: REGISTERS,
    threadsPerSm: 2048,
  },
  sm_120a: {
    computeCapability: [12, 0],
    toolkit: { first: "12.8", last: null },
    matrixInstructions: [...AMPERE, "mma.sync.m16n8k32.f32.e4m3.e4m3.f32"],
    sharedBytesPerBlock: 99 * KIB,
    sharedBytesPerSm: 100 * KIB,
    registersPerSm: REGISTERS,
    threadsPerSm: 1536,
  },
} as const satisfies Readonly<Record<string, ArchitectureFacts>>;

/**
 * A code generation target of nvcc: `sm_<major><minor>`, with an `a` for instructions that no other architecture has.
 */
export type Architecture = keyof typeof FACTS;
export const ARCHITECTURES: Readonly<Record<Architecture, ArchitectureFacts>> = FACTS;
