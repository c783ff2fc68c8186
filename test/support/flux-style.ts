/** How an exporter writes each construct of a FLUX transformer. Every field is independent of the others. */
export interface FluxStyle {
  readonly opset: number;
  readonly domains: readonly string[];
  /** Graph input names by role, in the order of the graph's inputs. */
  readonly inputs: readonly (readonly [FluxInput, string])[];
  readonly output: string;
  /** Symbols of the token axes; null for a static shape. */
  readonly tokens: {
    readonly img: string;
    readonly txt: string;
    readonly imgIds: string;
    readonly txtIds: string;
  } | null;
  /** Symbol of the batch axes, or the number of samples; null for one. */
  readonly batch: string | number | null;
  /** How axes that vary are named: by `tokens` and `batch`, each for itself, not at all; or only ids have a shape. */
  readonly axes: "named" | "own" | "unnamed" | "no-shape";
  /** What a ControlNet adds behind the blocks: an input per block, scaled, all in one input, or added to the text as well. */
  readonly residuals: "none" | "inputs" | "scaled" | "stacked" | "text";
  readonly idType: "i64" | "f32" | "i32";
  /** [T, 3], or [B, T, 3] as in the original implementation. */
  readonly idRank: 2 | 3;
  /** The batch axis of ids of rank 3 is dropped at once. */
  readonly idDrop: boolean;
  readonly weightType: "f32" | "f16" | "bf16";
  readonly guidance: boolean;
  readonly linear: "bias-first" | "bias-last" | "transposed" | "gemm-flat";
  readonly vectorLinear: "gemm" | "matmul";
  readonly layerNorm: "op" | "expand" | "plain-div" | "reciprocal" | "power";
  readonly rmsNorm: "div" | "one-over" | "reciprocal" | "power" | "op" | "contrib" | "weight-inside";
  readonly gelu: "cubes" | "power" | "op" | "contrib" | "half-first" | "erf" | "op-erf" | "contrib-bias";
  readonly silu: "sigmoid" | "exp";
  /** Where q and k stand when they are normalized and joined. */
  readonly layout: "bshd" | "bhsd";
  readonly heads: "shape" | "zeros" | "constant";
  readonly rotation:
    | "stack"
    | "slice-squeeze"
    | "split"
    | "gather"
    | "matrices"
    | "matrix-product"
    | "mul-first"
    | "operator"
    | "half";
  readonly repeat: "stack" | "expand" | "tile" | "gather" | "mask";
  /** "bent": frequencies that follow no θ; "half": these and those of the sinusoids, rounded to half precision. */
  readonly table: "einsum" | "multiply" | "double" | "bent" | "half";
  readonly attention:
    | "sqrt-scale"
    | "divide"
    | "scale-q"
    | "scale-scores"
    | "op"
    | "contrib"
    | "flat-heads"
    | "nan-guard"
    | "fused-matmul"
    | "einsum"
    | "masked";
  readonly qkv: "separate" | "fused" | "fused-split";
  readonly single: "separate" | "linear1" | "linear1-parts";
  /** The joint sequence runs through all single blocks, or is split and joined around each. */
  readonly singleTokens: "joint" | "split";
  readonly chunk: "split" | "slice" | "shape-slice";
  /** Axes are added to the modulation's parts, or to the whole before it is split. */
  readonly rowAxis: "after" | "before";
  readonly modulate: "one-plus" | "plus-one" | "sum";
  /** "outside": of inputs that are multiplied by 1000 already. */
  readonly sinusoid: "cos-first" | "sin-first" | "factor-late" | "outside";
  readonly halfGuard: boolean;
  /** Casts to double and back around norms, rotations and activations. */
  readonly casts: boolean;
  /** Residual sums merged into the LayerNormalization behind them (ONNX Runtime). */
  readonly skipNorm: boolean;
}

export type FluxInput = "latents" | "context" | "pooled" | "timestep" | "guidance" | "img-ids" | "txt-ids";

export interface FluxSize {
  readonly doubles: number;
  readonly singles: number;
  readonly heads: number;
  readonly axes: readonly number[];
  readonly mlp: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly contextDim: number;
  readonly pooledDim: number;
  readonly frequencies: number;
  readonly theta: number;
  /** Token counts of static exports. */
  readonly img: number;
  readonly txt: number;
}

export const TINY: FluxSize = {
  doubles: 1,
  singles: 2,
  heads: 2,
  axes: [4, 6, 6],
  mlp: 48,
  inChannels: 12,
  outChannels: 8,
  contextDim: 20,
  pooledDim: 10,
  frequencies: 32,
  theta: 10000,
  img: 6,
  txt: 5,
};

/** What the TorchScript exporter of PyTorch writes, as Optimum uses it. */
export const TORCHSCRIPT: FluxStyle = {
  opset: 17,
  domains: [],
  inputs: [
    ["latents", "hidden_states"],
    ["context", "encoder_hidden_states"],
    ["pooled", "pooled_projections"],
    ["timestep", "timestep"],
    ["img-ids", "img_ids"],
    ["txt-ids", "txt_ids"],
    ["guidance", "guidance"],
  ],
  output: "out_hidden_states",
  tokens: {
    img: "packed_height_width",
    txt: "sequence_length",
    imgIds: "packed_height_width",
    txtIds: "sequence_length",
  },
  batch: "batch_size",
  axes: "named",
  residuals: "none",
  idType: "i64",
  idRank: 2,
  weightType: "f32",
  guidance: true,
  linear: "bias-first",
  vectorLinear: "gemm",
  layerNorm: "op",
  rmsNorm: "div",
  gelu: "cubes",
  silu: "sigmoid",
  layout: "bshd",
  heads: "shape",
  rotation: "stack",
  repeat: "stack",
  table: "einsum",
  attention: "sqrt-scale",
  qkv: "separate",
  single: "separate",
  singleTokens: "joint",
  chunk: "shape-slice",
  rowAxis: "after",
  modulate: "plus-one",
  sinusoid: "cos-first",
  halfGuard: false,
  idDrop: false,
  casts: false,
  skipNorm: false,
};

/** Exporter styles; the names say where each is met. */
export const STYLES: Readonly<Record<string, FluxStyle>> = {
  torchscript: TORCHSCRIPT,
  Optimum: { ...TORCHSCRIPT, repeat: "mask" },
  "opset 13, decomposed norms, [B,H,S,D]": {
    ...TORCHSCRIPT,
    opset: 13,
    layerNorm: "plain-div",
    rmsNorm: "one-over",
    gelu: "power",
    layout: "bhsd",
    heads: "zeros",
    rotation: "gather",
    repeat: "tile",
    attention: "divide",
    chunk: "split",
    idType: "f32",
  },
  "dynamo opset 20": {
    ...TORCHSCRIPT,
    opset: 20,
    inputs: [
      ["guidance", "arg0"],
      ["txt-ids", "arg1"],
      ["img-ids", "arg2"],
      ["timestep", "arg3"],
      ["pooled", "arg4"],
      ["context", "arg5"],
      ["latents", "arg6"],
    ],
    output: "addmm_77",
    tokens: { img: "s1", txt: "s0", imgIds: "s1", txtIds: "s0" },
    batch: null,
    idType: "f32",
    linear: "bias-last",
    layerNorm: "expand",
    rmsNorm: "reciprocal",
    gelu: "op",
    rotation: "slice-squeeze",
    repeat: "expand",
    table: "double",
    attention: "nan-guard",
    singleTokens: "split",
    chunk: "split",
    modulate: "one-plus",
    heads: "constant",
  },
  "dynamo opset 23": {
    ...TORCHSCRIPT,
    opset: 23,
    batch: null,
    linear: "gemm-flat",
    layerNorm: "expand",
    rmsNorm: "op",
    gelu: "op",
    rotation: "slice-squeeze",
    repeat: "expand",
    table: "double",
    attention: "op",
    singleTokens: "split",
    chunk: "split",
    heads: "zeros",
  },
  "original implementation": {
    ...TORCHSCRIPT,
    opset: 18,
    inputs: [
      ["latents", "img"],
      ["img-ids", "img_ids"],
      ["context", "txt"],
      ["txt-ids", "txt_ids"],
      ["timestep", "timesteps"],
      ["pooled", "y"],
      ["guidance", "guidance"],
    ],
    output: "sample",
    idType: "f32",
    idRank: 3,
    linear: "bias-last",
    rmsNorm: "weight-inside",
    gelu: "half-first",
    layout: "bhsd",
    heads: "zeros",
    rotation: "matrices",
    attention: "scale-scores",
    qkv: "fused",
    single: "linear1",
    chunk: "split",
    rowAxis: "before",
    modulate: "one-plus",
    sinusoid: "factor-late",
  },
  "ONNX Runtime optimizer": {
    ...TORCHSCRIPT,
    domains: ["com.microsoft"],
    rmsNorm: "contrib",
    gelu: "contrib",
    attention: "contrib",
    layerNorm: "op",
    rotation: "split",
    repeat: "expand",
    skipNorm: true,
  },
  "bf16 weights, TensorRT demo": {
    ...TORCHSCRIPT,
    opset: 19,
    tokens: { img: "latent_dim", txt: "txt_len", imgIds: "latent_dim", txtIds: "txt_len" },
    weightType: "bf16",
    idType: "f32",
    output: "latent",
    linear: "transposed",
    vectorLinear: "matmul",
    layerNorm: "power",
    rmsNorm: "power",
    gelu: "half-first",
    silu: "exp",
    rotation: "mul-first",
    attention: "scale-q",
    repeat: "gather",
    halfGuard: true,
  },
  "f16 weights, static, flat heads, sine first": {
    ...TORCHSCRIPT,
    weightType: "f16",
    tokens: null,
    batch: null,
    guidance: false,
    idType: "i32",
    layerNorm: "reciprocal",
    rotation: "matrix-product",
    attention: "flat-heads",
    sinusoid: "sin-first",
    modulate: "sum",
    chunk: "slice",
    gelu: "erf",
    layout: "bhsd",
    halfGuard: true,
  },
  "every axis named for itself": { ...TORCHSCRIPT, axes: "own", repeat: "expand" },
  "axes without names": { ...TORCHSCRIPT, opset: 20, axes: "unnamed", idType: "f32", residuals: "inputs" },
  "inputs without a shape": { ...TORCHSCRIPT, axes: "no-shape", qkv: "fused" },
  "scaled residuals of a ControlNet": {
    ...TORCHSCRIPT,
    residuals: "scaled",
    axes: "own",
    singleTokens: "split",
  },
  "residuals of a ControlNet in one input": { ...TORCHSCRIPT, residuals: "stacked", chunk: "split" },
  "residuals for the text as well, static": { ...TORCHSCRIPT, residuals: "text", tokens: null, batch: null },
  "ids with symbols of their own": {
    ...TORCHSCRIPT,
    opset: 20,
    tokens: { img: "img_seq", txt: "txt_seq", imgIds: "img_id_rows", txtIds: "txt_id_rows" },
    gelu: "op-erf",
    layout: "bhsd",
  },
};
