import { phasesWith } from "../../ir/program/phases.js";
import type {
  Kernel,
  KernelArg,
  Launch,
  LaunchArg,
  Program,
  ProgramBuffer,
} from "../../ir/program/program.js";

/** One linear layer with int8 rows and Euler's step, small but with every kind of buffer and phase. */

const N = 8;
const K = 20;
const K_PAD = 32;

const byRow = (name: string, dtype: KernelArg["dtype"], access: KernelArg["access"] = "read"): KernelArg => ({
  name,
  dtype,
  access,
  byRow: true,
});
const whole = (name: string, dtype: KernelArg["dtype"], access: KernelArg["access"] = "read"): KernelArg => ({
  ...byRow(name, dtype, access),
  byRow: false,
});

function kernel(
  id: string,
  family: string,
  params: Kernel["params"],
  args: readonly KernelArg[],
  config: Kernel["config"],
  more: Partial<Kernel> = {},
): Kernel {
  return {
    id,
    family,
    params,
    config,
    args,
    scalars: [],
    workgroup: [1, 1, 1],
    features: [],
    fallback: null,
    cuda: null,
    ...more,
  };
}

const gemmArgs = [
  byRow("q", "i8"),
  byRow("rowScale", "f32"),
  byRow("rowSum", "i32"),
  whole("weights", "u32"),
  whole("scales", "f32"),
  byRow("gate", "f32"),
  byRow("residual", "f32"),
  byRow("out", "f32", "write"),
];
const gemmParams = { n: N, k: K, activations: "i8", activation: "none", bias: false, gated: true };

export const KERNELS: readonly Kernel[] = [
  kernel(
    "unpack",
    "unpack-trits",
    { n: N, k: K, activations: "i8" },
    [whole("trits", "u8"), whole("weights", "u32", "write")],
    { variant: "unpack", channels: 8 },
  ),
  kernel(
    "embed",
    "timestep-embedding",
    { dim: N, factor: 1.5, maxPeriod: 1e4, shift: -0.5, sinFirst: true },
    [byRow("t", "f32"), byRow("out", "f32", "write")],
    { variant: "timestep-embedding", rows: 1 },
  ),
  kernel(
    "quantize",
    "quantize-rows",
    { c: K },
    [
      byRow("x", "f32"),
      byRow("q", "i8", "write"),
      byRow("rowScale", "f32", "write"),
      byRow("rowSum", "i32", "write"),
    ],
    { variant: "quantize-rows", rows: 64 },
  ),
  kernel(
    "gemm",
    "ternary-gemm",
    gemmParams,
    gemmArgs,
    { variant: "int8-relaxed", tileN: 8, tileM: 32, rows: 4 },
    {
      features: ["relaxed-simd", "subgroups"],
      fallback: "gemm-plain",
    },
  ),
  kernel("gemm-plain", "ternary-gemm", gemmParams, gemmArgs, {
    variant: "int8",
    tileN: 8,
    tileM: 32,
    rows: 2,
  }),
  kernel(
    "scale",
    "elementwise",
    { rank: 2, inputs: ["f32"], output: "f32", expression: "mul(in0, 2)" },
    [whole("in0", "f32"), whole("out", "f32", "write")],
    { variant: "elementwise", elements: 4096 },
    { scalars: ["u32", "u32", "u32", "u32", "u32", "u32"] },
  ),
  kernel(
    "attend",
    "attention",
    { heads: 2, headDim: 4, scale: 0.5 },
    [byRow("q", "f32"), whole("k", "f32"), whole("v", "f32"), byRow("out", "f32", "write")],
    { variant: "attention", queries: 16, keys: 64 },
    { scalars: ["u32"] },
  ),
  kernel(
    "soften",
    "softmax",
    { log: false },
    [byRow("x", "f32"), byRow("out", "f32", "write")],
    { variant: "softmax", rows: 8 },
    {
      scalars: ["u32"],
    },
  ),
  kernel(
    "move",
    "elementwise",
    { rank: 2, inputs: ["f32", "f32", "f32"], output: "f32", expression: "add(in0, mul(in1, in2))" },
    [whole("in0", "f32"), whole("in1", "f32"), whole("in2", "f32"), whole("out", "f32", "write")],
    { variant: "elementwise", elements: 4096 },
    { scalars: new Array(10).fill("u32") },
  ),
];

const arena = (slot: number): ProgramBuffer["storage"] => ({ kind: "arena", slot });

export const BUFFERS: readonly ProgramBuffer[] = [
  { id: "x", dtype: "f32", elements: "20*img_tokens", storage: { kind: "state" } },
  { id: "t", dtype: "f32", elements: "steps", storage: { kind: "host" } },
  { id: "dt", dtype: "f32", elements: "steps", storage: { kind: "host" } },
  { id: "trits", dtype: "u8", elements: 32, storage: { kind: "staging", tensor: 'a "quoted" name' } },
  { id: "weights", dtype: "u32", elements: 64, storage: { kind: "resident" } },
  { id: "scales", dtype: "f32", elements: 8, storage: { kind: "weight", tensor: "scales" } },
  { id: "odd name\n", dtype: "f32", elements: "8*steps", storage: arena(0) },
  { id: "q", dtype: "i8", elements: "32*img_tokens", storage: arena(1) },
  { id: "row_scale", dtype: "f32", elements: "img_tokens", storage: arena(2) },
  { id: "row_sum", dtype: "i32", elements: "img_tokens", storage: arena(3) },
  { id: "joined", dtype: "f32", elements: "16*img_tokens+8", storage: arena(4) },
  { id: "soft", dtype: "f32", elements: "8*img_tokens", storage: arena(1) },
  { id: "mixed", dtype: "f32", elements: "8*img_tokens", storage: arena(2) },
  { id: "v", dtype: "f32", elements: "8*img_tokens", storage: arena(5) },
  { id: "moved", dtype: "f32", elements: "8*img_tokens", storage: arena(6) },
];

export const arg = (
  buffer: string,
  offset: LaunchArg["offset"] = 0,
  rowStride: LaunchArg["rowStride"] = 0,
  stepStride: LaunchArg["stepStride"] = 0,
): LaunchArg => ({ buffer, offset, rowStride, stepStride });

const rows = { rows: "img_tokens", scalars: [] } as const;
const rowGrid: Launch["grid"] = [
  { size: 1, tile: 1 },
  { size: "img_tokens", tile: 64 },
  { size: 1, tile: 1 },
];

export const SAMPLE: Program = {
  target: "cpu",
  symbols: ["img_tokens", "steps"],
  buffers: BUFFERS,
  kernels: KERNELS,
  phases: phasesWith({
    load: [
      {
        kernel: "unpack",
        rows: N,
        args: [arg("trits"), arg("weights")],
        scalars: [],
        grid: [{ size: N, tile: 8 }],
        label: "block.w",
      },
    ],
    prompt: [
      {
        kernel: "embed",
        rows: "steps",
        args: [arg("t", 0, 1), arg("odd name\n", 0, N)],
        scalars: [],
        grid: [
          { size: 1, tile: 1 },
          { size: "steps", tile: 1 },
        ],
        label: "time",
      },
    ],
    step: [
      {
        ...rows,
        kernel: "quantize",
        args: [arg("x", 0, K), arg("q", 0, K_PAD), arg("row_scale", 0, 1), arg("row_sum", 0, 1)],
        grid: rowGrid,
        label: 'quantize "rows"',
      },
      {
        ...rows,
        kernel: "gemm",
        args: [
          arg("q", 0, K_PAD),
          arg("row_scale", 0, 1),
          arg("row_sum", 0, 1),
          arg("weights"),
          arg("scales"),
          arg("odd name\n", 0, 0, N),
          arg("x", 0, K),
          arg("joined", 8, 2 * N),
        ],
        grid: [
          { size: N, tile: 8 },
          { size: "img_tokens", tile: 32 },
        ],
        label: "block",
      },
      {
        kernel: "scale",
        rows: "8*img_tokens",
        args: [arg("joined", 8), arg("mixed")],
        scalars: ["img_tokens", N, 2 * N, 1, N, 1],
        grid: [{ size: "8*img_tokens", tile: 4096 }],
        label: "scale",
      },
      {
        ...rows,
        kernel: "soften",
        args: [arg("mixed", 0, N), arg("soft", 0, N)],
        scalars: [8],
        grid: [
          { size: 1, tile: 1 },
          { size: "img_tokens", tile: 8 },
        ],
        label: "soften",
      },
      {
        ...rows,
        kernel: "attend",
        args: [arg("mixed", 0, N), arg("soft", 0, N), arg("joined", 8, 2 * N), arg("v", 0, N)],
        scalars: ["img_tokens"],
        grid: [
          { size: 2, tile: 1 },
          { size: "img_tokens", tile: 16 },
        ],
        label: "attend",
      },
    ],
    euler: [
      {
        kernel: "move",
        rows: "8*img_tokens",
        args: [arg("x"), arg("dt", 0, 0, 1), arg("v"), arg("moved")],
        scalars: ["img_tokens", N, K, 1, 0, 0, N, 1, N, 1],
        grid: [{ size: "8*img_tokens", tile: 4096 }],
        label: "move",
      },
      {
        kernel: "scale",
        rows: "8*img_tokens",
        args: [arg("moved"), arg("x")],
        scalars: ["img_tokens", N, N, 1, K, 1],
        grid: [{ size: "8*img_tokens", tile: 4096 }],
        label: "scale",
      },
    ],
  }),
  inputs: [
    {
      name: "latents",
      role: "latents",
      buffer: "x",
      dtype: "f16",
      shape: [1, "img_tokens", K],
      batchAxis: 0,
    },
    { name: "t", role: null, buffer: "t", dtype: "f32", shape: ["steps"], batchAxis: null },
    { name: "dt", role: "coefficient", buffer: "dt", dtype: "f32", shape: ["steps"], batchAxis: null },
  ],
  outputs: [
    { name: "v/0", role: null, buffer: "v", dtype: "f16", shape: [1, "img_tokens", N], batchAxis: 0 },
  ],
  model: {
    family: "flux1",
    doubleBlocks: 0,
    singleBlocks: 1,
    hidden: 8,
    heads: 2,
    headDim: 4,
    mlpWidth: 32,
    inChannels: 20,
    outChannels: 8,
    contextDim: 8,
    pooledDim: 8,
    guidance: false,
    timestepScale: 1,
    guidanceScale: 1,
    ropeAxes: [2, 2],
    ropeTheta: 1e4,
    roles: { latents: "latents" },
    parameters: 160,
    blockLinearWeights: 160,
  },
};
