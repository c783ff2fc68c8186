/** Faults against what families of kernels say of their arguments, configs and contents. */
import { describe } from "vitest";
import { type Broken, buffer, kernel, launch, launchArg, refusesEach } from "./broken-programs.js";
import { SAMPLE } from "./program-sample.js";

const FLOAT = { relaxed: false, tileN: 8, tileM: 64, panel: 8, kBlock: 32, rows: 6, panelRows: 4, unroll: 2 };

const FAMILIES: Broken = [
  [
    "a family that is not known",
    kernel("soften", { family: "constructor" }),
    /^kernel soften: there is no such family of kernels\n.*constructor/,
  ],
  [
    "arguments in another order",
    kernel("soften", { args: [...(SAMPLE.kernels.find(({ id }) => id === "soften")?.args ?? [])].reverse() }),
    /^kernel soften: its arguments are not those of its family/,
  ],
  [
    "a whole argument that claims to be rows",
    kernel("attend", {
      args: (SAMPLE.kernels.find(({ id }) => id === "attend")?.args ?? []).map((a) => ({
        ...a,
        byRow: true,
      })),
    }),
    /^kernel attend: its arguments are not those of its family/,
  ],
  [
    "scalars of another type",
    kernel("attend", { scalars: ["f32"] }),
    /its scalars are not those of its family/,
  ],
  [
    "a kernel of another language",
    kernel("attend", { workgroup: [64, 1, 1] }),
    /another language than the target's/,
  ],
  [
    "a CUDA kernel in a program for the CPU",
    kernel("attend", { cuda: { sharedBytes: 0, tile: [1, 16, 1], persistent: false, tensorMaps: [] } }),
    /another language than the target's\n.*wat\n.*cuda/,
  ],
  [
    "a variant that is not known",
    kernel("attend", { config: { variant: "constructor" } }),
    /^kernel attend: there is no kernel of its family with its config\n.*no variant constructor, only attention/,
  ],
  [
    "columns of a tile that are no whole blocks",
    kernel("gemm-plain", { config: { variant: "int8", tileN: 12, tileM: 32, rows: 2 } }),
    /no kernel of its family with its config\n.*tileN is 12, and can be 8, 16, …, 64/,
  ],
  [
    "a number of the config that is missing",
    kernel("gemm-plain", { config: { variant: "int8", tileN: 8, tileM: 32 } }),
    /rows is missing, and can be 2/,
  ],
  [
    "a number that configs don't have",
    kernel("soften", { config: { variant: "softmax", rows: 8, stages: 3 } }),
    /stages is no number of a softmax kernel/,
  ],
  [
    "a variant for other parameters",
    kernel("gemm-plain", { config: { variant: "float", ...FLOAT } }),
    /rows are i8, and it multiplies f32/,
  ],
  [
    "a kernel that keeps quiet about what it needs",
    kernel("gemm", { features: ["subgroups"] }),
    /^kernel gemm: it does not say what it needs\n.*relaxed-simd\n.*subgroups/,
  ],
  [
    "a config that does not fit the grid of its launch",
    kernel("soften", { config: { variant: "softmax", rows: 4 } }),
    /^step launch 3 \(soften\): its grid has other tiles than its kernel\n.*1 × 4 × 1\n.*1 × 8/,
  ],
  [
    "a fallback with other tiles",
    kernel("gemm-plain", { config: { variant: "int8", tileN: 16, tileM: 32, rows: 2 } }),
    /^kernel gemm: its fallback has other tiles, and a launch has one grid\n.*8 × 32 × 1\n.*16 × 32 × 1 of gemm-plain/,
  ],
  [
    "tiles that the kernel does not have",
    launch("step", 3, ({ grid }) => ({ grid: grid.map(({ size }) => ({ size, tile: 2 ** 53 - 1 })) })),
    /^step launch 3 \(soften\): its grid has other tiles than its kernel\n.*1 × 8 × 1/,
  ],
];

/** What the sample's unpacked weights take: a block of 8 channels by 32 k. */
const CONTENTS: Broken = [
  [
    "weights in a smaller buffer than their layout",
    buffer("weights", { elements: 15 }),
    /^load launch 0 .*, argument weights: the launch reaches beyond its buffer\n.*at most 15 /,
  ],
  [
    "weights that load puts elsewhere than step reads them",
    launchArg("load", 0, 1, { offset: 8 }),
    /^step launch 1 \(block\), argument weights: it reads elements that nothing wrote\n.*\n.*weights from 0/,
  ],
  [
    "weights of a matrix of another shape",
    kernel("unpack", { params: { n: 8, k: 18, activations: "i8" } }),
    /argument weights: these weights are in another layout\n.*8 x 20 for i8\n.*8 x 18 for i8/,
  ],
  [
    "more rows than the kernel unpacks",
    launch("load", 0, () => ({ rows: 9, grid: [{ size: 9, tile: 8 }] })),
    /^load launch 0 .*: the launch has other rows than what it computes/,
  ],
  [
    "a grid of nothing",
    launch("step", 3, () => ({ grid: [{ size: 0, tile: 1 }] })),
    /^step launch 3 .*: the grid does not cover/,
  ],
  [
    "rows that nobody computed",
    launch("step", 3, () => ({
      rows: 1,
      grid: [
        { size: 1, tile: 1 },
        { size: 1, tile: 8 },
      ],
    })),
    /^step launch 4 \(attend\), argument k: it reads elements that nothing wrote/,
  ],
  [
    "a column that nobody computed",
    launchArg("step", 2, 0, { offset: 7 }),
    /^step launch 2 \(scale\), argument in0: it reads elements that nothing wrote/,
  ],
  [
    "one row sum for all rows",
    launchArg("step", 1, 2, { rowStride: 0 }),
    /^step launch 1 \(block\), argument rowSum: its rows overlap\n.*at least 1\n.*0/,
  ],
  [
    "result rows that overlap",
    launchArg("step", 4, 3, { rowStride: 7 }),
    /^step launch 4 \(attend\), argument out: its rows overlap\n.*at least 8/,
  ],
  [
    "weights that nothing reads",
    {
      ...SAMPLE,
      buffers: [
        ...SAMPLE.buffers,
        { id: "more", dtype: "f32", elements: 8, storage: { kind: "weight", tensor: "more" } },
      ],
    },
    /^buffer more: it holds weights that nothing reads/,
  ],
  [
    "an output that is computed in part",
    {
      ...SAMPLE,
      outputs: SAMPLE.outputs.map((output) => ({ ...output, buffer: "joined", shape: ["16*img_tokens+8"] })),
    },
    /^output v\/0: it reads elements that nothing wrote/,
  ],
];

describe("verifyProgram", () => refusesEach([...FAMILIES, ...CONTENTS]));
