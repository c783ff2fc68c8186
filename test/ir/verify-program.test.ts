import { describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Kernel, Launch, LaunchArg, Phase, Program, ProgramBuffer } from "../../ir/program/program.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { verifyProgramSizes } from "../../ir/program/verify-sizes.js";
import { byPhase, type PhaseName } from "../support/phases.js";
import { arg, SAMPLE } from "./program-sample.js";

/** The sample with one buffer, kernel, launch, argument or port changed. */
const buffer = (id: string, change: Partial<ProgramBuffer>): Program => ({
  ...SAMPLE,
  buffers: SAMPLE.buffers.map((b) => (b.id === id ? { ...b, ...change } : b)),
});
const kernel = (id: string, change: Partial<Kernel>): Program => ({
  ...SAMPLE,
  kernels: SAMPLE.kernels.map((k) => (k.id === id ? { ...k, ...change } : k)),
});
const phase = (name: PhaseName, change: Partial<Phase>): Program => ({
  ...SAMPLE,
  phases: SAMPLE.phases.map((p) => (p.name === name ? { ...p, ...change } : p)),
});
const launch = (phase: PhaseName, index: number, change: (launch: Launch) => Partial<Launch>): Program => ({
  ...SAMPLE,
  phases: phasesWith({
    ...byPhase(SAMPLE),
    [phase]: byPhase(SAMPLE)[phase].map((l, i) => (i === index ? { ...l, ...change(l) } : l)),
  }),
});
const launchArg = (phase: PhaseName, index: number, position: number, change: Partial<LaunchArg>): Program =>
  launch(phase, index, ({ args }) => ({
    args: args.map((a, i) => (i === position ? { ...a, ...change } : a)),
  }));
const port = (
  kind: "inputs" | "outputs",
  index: number,
  change: Partial<Program["inputs"][number]>,
): Program => ({
  ...SAMPLE,
  [kind]: SAMPLE[kind].map((p, i) => (i === index ? { ...p, ...change } : p)),
});
const arena = (slot: number): Pick<ProgramBuffer, "storage"> => ({ storage: { kind: "arena", slot } });

/** The sample with another buffer; `slot` is where it lies. */
const extended = (slot: number): Program => ({
  ...SAMPLE,
  buffers: [...SAMPLE.buffers, { id: "late", dtype: "f32", elements: "8*img_tokens", ...arena(slot) }],
});
const softening = (from: string, to: string): Launch => ({
  ...(byPhase(SAMPLE).step[3] as Launch),
  args: [arg(from, 0, 8), arg(to, 0, 8)],
});
const softeningLate = phasesWith({
  ...byPhase(SAMPLE),
  euler: [...byPhase(SAMPLE).euler, softening("soft", "late")],
});
const tooManyRows = {
  rows: "img_tokens+1",
  grid: [
    { size: 1, tile: 1 },
    { size: "img_tokens+1", tile: 64 },
  ],
};

type Broken = readonly (readonly [string, Program, RegExp])[];

const NAMES: Broken = [
  [
    "two symbols of one name",
    { ...SAMPLE, symbols: ["img_tokens", "steps", "steps"] },
    /^symbols: two have one name\n.*steps/,
  ],
  ["an unprintable symbol", { ...SAMPLE, symbols: ["a\u001b"] }, /cannot be a symbol's name\n.*\\u\{1b\}/],
  ["two buffers of one name", buffer("q", { id: "x" }), /^buffers: two have one name\n.*x/],
  ["two kernels of one name", kernel("embed", { id: "gemm" }), /^kernels: two have one name/],
  ["two inputs of one name", port("inputs", 1, { name: "latents" }), /^inputs: two have one name/],
  ["two inputs in one buffer", port("inputs", 2, { buffer: "t" }), /^buffers of inputs: two have one name/],
  [
    "a buffer of an unknown size",
    buffer("v", { elements: "8*ghost" }),
    /^buffer v: the size 8\*ghost depends on ghost\n.*img_tokens, steps/,
  ],
  [
    "a launch of an unknown size",
    launch("step", 3, () => ({ rows: "ghost" })),
    /^step launch 3 \(soften\): the size ghost depends on ghost/,
  ],
  [
    "a weight of a symbolic size",
    buffer("scales", { elements: "img_tokens" }),
    /^buffer scales: a weight buffer whose size is not known at load/,
  ],
];

const KERNELS: Broken = [
  [
    "an empty workgroup",
    kernel("gemm", { workgroup: [8, 0, 1] }),
    /^kernel gemm: a workgroup without invocations\n.*8 × 0 × 1/,
  ],
  [
    "a fallback that is not there",
    kernel("gemm", { fallback: "ghost" }),
    /^kernel gemm: its fallback does not exist\n.*ghost/,
  ],
  ["fallbacks in a circle", kernel("gemm-plain", { fallback: "gemm" }), /its fallbacks go round in a circle/],
  [
    "a fallback with other arguments",
    kernel("gemm", { fallback: "embed" }),
    /^kernel gemm: its fallback is another function/,
  ],
  [
    "a parameter that is missing",
    kernel("embed", { params: {} }),
    /^kernel embed: the parameter dim is not what its family needs/,
  ],
];

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

const PORTS: Broken = [
  [
    "an input in no buffer",
    port("inputs", 0, { buffer: "ghost" }),
    /^input latents: it lies in a buffer that does not exist\n.*ghost/,
  ],
  [
    "an input that the host does not write",
    port("inputs", 1, { buffer: "v" }),
    /^input t: an input that the host does not write/,
  ],
  [
    "an output that is freed",
    port("outputs", 0, { buffer: "trits" }),
    /^output v\/0: an output that is freed after load/,
  ],
  [
    "a batch axis beyond the rank",
    port("outputs", 0, { batchAxis: 3 }),
    /^output v\/0: it has no such batch axis\n.*below 3/,
  ],
  [
    "an input of another size",
    port("inputs", 0, { shape: ["img_tokens", 19] }),
    /^input latents: its buffer has another size\n.*77824 elements .*img_tokens = 4096.*\n.*81920 in buffer x/,
  ],
  [
    "an output larger than its buffer",
    port("outputs", 0, { shape: ["img_tokens", 9] }),
    /^output v\/0: its buffer has another size/,
  ],
];

const SIGNATURES: Broken = [
  [
    "a launch of no kernel",
    launch("step", 1, () => ({ kernel: "ghost" })),
    /^step launch 1 \(block\): there is no kernel ghost/,
  ],
  [
    "too few arguments",
    launch("step", 1, ({ args }) => ({ args: args.slice(1) })),
    /7 arguments for the 8 of gemm/,
  ],
  ["too many scalars", launch("step", 1, () => ({ scalars: [1] })), /1 scalars for the 0 of gemm/],
  [
    "a tile of nothing",
    launch("step", 1, () => ({ grid: [{ size: 8, tile: 0 }] })),
    /^step launch 1 \(block\): this is no grid\n.*\n.*tiles of 0/,
  ],
  [
    "a symbolic size at load",
    launch("load", 0, () => ({ rows: "img_tokens" })),
    /^load launch 0 \(block\.w\): its sizes are not known at load/,
  ],
  [
    "an argument in no buffer",
    launchArg("step", 0, 0, { buffer: "ghost" }),
    /argument x lies in a buffer that does not exist\n.*ghost/,
  ],
  [
    "an argument of another type",
    launchArg("step", 0, 0, { buffer: "row_sum" }),
    /^step launch 0 \(quantize "rows"\), argument x: its buffer has another element type\n.*f32\n.*i32 in row_sum/,
  ],
  [
    "a step stride in prompt",
    launchArg("prompt", 0, 1, { stepStride: 8 }),
    /^prompt launch 0 \(time\), argument out: it moves with the step/,
  ],
];

const STORAGE: Broken = [
  [
    "a staging buffer in step",
    launch("step", 3, () => byPhase(SAMPLE).load[0] as Launch),
    /^step launch 3 .*, argument trits: step cannot touch this buffer\n.*load frees it\n.*read of staging buffer trits/,
  ],
  [
    "an arena buffer at load",
    buffer("weights", arena(7)),
    /argument weights: load cannot touch this buffer\n.*weight, staging or resident/,
  ],
  [
    "a weight that is written",
    launchArg("step", 3, 1, { buffer: "scales", rowStride: 0 }),
    /argument out: step cannot write this buffer\n.*\n.*write of weight buffer scales/,
  ],
  [
    "a resident buffer that step writes",
    buffer("soft", { elements: 4096, storage: { kind: "resident" } }),
    /argument out: step cannot write this buffer\n.*\n.*write of resident buffer soft/,
  ],
  [
    "an input that step writes",
    launchArg("step", 3, 1, { buffer: "x" }),
    /argument out: step cannot write this buffer\n.*\n.*write of state buffer x/,
  ],
  [
    "an input that euler overwrites",
    { ...SAMPLE, phases: phasesWith({ ...byPhase(SAMPLE), euler: [softening("v", "t")] }) },
    /argument out: euler cannot write this buffer\n.*arena buffers, state buffers\n.*write of host buffer t/,
  ],
];

const PHASES: Broken = [
  [
    "an unknown phase",
    phase("step", { name: "steps" }),
    /^phases: there is no such phase.*\n.*step.*\n.*steps/,
  ],
  [
    "phases in another order",
    { ...SAMPLE, phases: [...SAMPLE.phases].reverse() },
    /^phases: .*\n.*load, prompt/,
  ],
  ["a phase twice", { ...SAMPLE, phases: SAMPLE.phases.flatMap((p) => [p, p]) }, /^phases: .*\n.*\n.*load/],
  [
    "a phase that runs more often",
    phase("prompt", { runs: "step" }),
    /^phase prompt: it claims more .*\n.*runs prompt, writes arena\n.*runs step/,
  ],
  [
    "a phase that writes more",
    phase("step", { writes: ["arena", "resident"] }),
    /^phase step: it claims more .*\n.*writes arena\n.*writes arena, resident/,
  ],
  [
    "a launch that writes more than its phase says",
    phase("step", { writes: [] }),
    /^step launch 0 .* step cannot write this buffer\n.*none\n.*arena buffer/,
  ],
];

const ORDER: Broken = [
  [
    "a step that reads what an update leaves in the arena",
    launchArg("step", 3, 0, { buffer: "moved" }),
    /^step launch 3 \(soften\).*: it reads what nothing wrote/,
  ],
  [
    "a step that writes where an update does",
    {
      ...SAMPLE,
      phases: phasesWith({ ...byPhase(SAMPLE), step: [...byPhase(SAMPLE).step, softening("soft", "moved")] }),
    },
    /^step launch 5 \(soften\): it uses what an update writes.*\n.*nothing of euler but state\n.*moved/,
  ],
  [
    "a value read before it is written",
    launchArg("step", 0, 0, { buffer: "v", rowStride: 8 }),
    /^step launch 0 .*, argument x: it reads what nothing wrote\n.*\n.*buffer v/,
  ],
  [
    "a host buffer that nothing fills",
    { ...SAMPLE, inputs: SAMPLE.inputs.slice(0, 2) },
    /^euler launch 0 \(move\), argument in1: it reads what nothing wrote/,
  ],
  [
    "an output that nothing writes",
    { ...extended(9), outputs: SAMPLE.outputs.map((output) => ({ ...output, buffer: "late" })) },
    /^output v\/0: nothing writes it\n.*late/,
  ],
  [
    "values that share memory while both live",
    buffer("mixed", arena(1)),
    /^step launch 3 \(soften\): two buffers that live at the same time share memory\n.*slot 1 free of mixed, which is in use until step launch 4 \(attend\)\n.*buffer soft/,
  ],
  [
    "a value of prompt that step overwrites",
    buffer("mixed", arena(0)),
    /^step launch 2 \(scale\): .*share memory\n.*slot 0 free of odd name.*until the end of the run\n.*buffer mixed/,
  ],
  [
    "an output that euler overwrites",
    { ...extended(5), phases: softeningLate },
    /^euler launch 2 \(soften\): .*share memory\n.*slot 5 free of v, .*until the end of the run\n.*buffer late/,
  ],
];

const SIZES: Broken = [
  [
    "a size that is always negative",
    buffer("v", { elements: "-8*img_tokens" }),
    /^buffers: one has less than no elements at every size/,
  ],
  [
    "an offset that is negative",
    launchArg("step", 2, 0, { offset: "-img_tokens+8" }),
    /argument in0: the offset is no size\n.*not negative\n.*-img_tokens\+8 = -4088/,
  ],
  [
    "a scalar that is no whole number",
    launch("step", 4, () => ({ scalars: [1.5] })),
    /^step launch 4 \(attend\): a scalar is no size/,
  ],
  [
    "rows that the grid does not cover",
    launch("step", 1, ({ grid }) => ({ grid: grid.slice(0, 1) })),
    /^step launch 1 \(block\): the grid does not cover what the launch computes\n.*8 × 4096 × 1/,
  ],
  [
    "more rows than a buffer has",
    launch("step", 0, () => tooManyRows),
    /^step launch 0 .*, argument x: the launch reaches beyond its buffer\n.*81920 elements, the size of x \(img_tokens = 4096, steps = 4098\)\n.*element 81940/,
  ],
  [
    "a last column beyond the buffer",
    launchArg("step", 1, 7, { offset: 17 }),
    /argument out: the launch reaches beyond its buffer\n.*of joined/,
  ],
  [
    "a last step beyond the buffer",
    launchArg("step", 1, 5, { stepStride: 9 }),
    /argument gate: the launch reaches beyond its buffer/,
  ],
  [
    "more keys than rows",
    launch("step", 4, () => ({ scalars: ["img_tokens+1"] })),
    /argument k: the launch reaches beyond its buffer/,
  ],
  [
    "strides beyond the buffer",
    launch("step", 2, () => ({ scalars: ["img_tokens", 8, 17, 1, 8, 1] })),
    /argument in0: the launch reaches beyond its buffer/,
  ],
  [
    "an unpacked tensor larger than its bytes",
    buffer("trits", { elements: 31 }),
    /^load launch 0 .*, argument trits: the launch reaches beyond its buffer/,
  ],
  [
    "int8 rows inside a word",
    launchArg("step", 1, 0, { rowStride: 30 }),
    /argument q: int8 rows do not start at whole words\n.*multiples of 4\n.*row stride 30/,
  ],
];

describe("verifyProgram", () => {
  it.each([
    ...NAMES,
    ...KERNELS,
    ...FAMILIES,
    ...CONTENTS,
    ...PORTS,
    ...SIGNATURES,
    ...STORAGE,
    ...PHASES,
    ...ORDER,
    ...SIZES,
  ])("refuses %s", (_, program, message) => {
    const error = failure(() => verifyProgram(program));
    expect(error.code).toBe("TRITC_E_PROGRAM");
    expect(error.message).toMatch(message);
  });

  it("accepts what the cases above are made of", () => {
    verifyProgram(SAMPLE);
    verifyProgram({ ...extended(8), phases: softeningLate });
  });

  it("says which file it is about, and escapes what the file says", () => {
    const program = launch("step", 0, () => ({ kernel: "\u001b[31m", label: "\u202e" }));
    const { message } = failure(() => verifyProgram(program, undefined, "bundle/program.json"));
    expect(message).toContain(
      "bundle/program.json: step launch 0 (\\u{202e}): there is no kernel \\u{1b}[31m",
    );
  });

  it("tries small sizes for transformers only", () => {
    // Row 3 of the latents, which a picture of three tokens does not have.
    const one: Launch = {
      ...softening("mixed", "late"),
      rows: 1,
      args: [arg("mixed", 24, 8), arg("late", 0, 8)],
      grid: [],
    };
    const reaching: Program = {
      ...extended(8),
      phases: phasesWith({ ...byPhase(SAMPLE), step: [...byPhase(SAMPLE).step, one] }),
    };
    expect(failure(() => verifyProgram(reaching)).message).toContain("reaches beyond its buffer");
    const other: Program = { ...reaching, model: null };
    verifyProgram(other);
    expect(failure(() => verifyProgramSizes(other, { img_tokens: 3, steps: 1 })).message).toContain(
      "at most 24 elements, the size of mixed (img_tokens = 3, steps = 1)",
    );
  });
});

describe("verifyProgramSizes", () => {
  it("finds what samples do not show", () => {
    // 8 + (n − 1)·(n − 4096): right at 1 and 4096 tokens, nowhere else.
    const crafted = launchArg("step", 2, 0, { offset: "-4097*img_tokens+img_tokens*img_tokens+4104" });
    verifyProgram(crafted, [
      { img_tokens: 1, steps: 1 },
      { img_tokens: 4096, steps: 4098 },
    ]);
    const between = failure(() => verifyProgramSizes(crafted, { img_tokens: 64, steps: 4 }));
    expect(between.message).toContain("argument in0: the offset is no size");
    const beyond = failure(() => verifyProgramSizes(crafted, { img_tokens: 4097, steps: 4 }));
    expect(beyond.message).toContain("argument in0: the launch reaches beyond its buffer");
  });

  it("accepts nothing to do", () => {
    verifyProgramSizes(SAMPLE, { img_tokens: 0, steps: 1 });
  });

  it.each([
    [{ img_tokens: 4 }, /^symbol steps: nothing says how large it is/],
    [{ img_tokens: 2.5, steps: 1 }, /is no size/],
    [{ img_tokens: 2 ** 52, steps: 1 }, /is no size/],
    [{ img_tokens: 2 ** 32, steps: 1 }, /too large for the words it is passed in\n.*4294967296/],
  ])("refuses %o", (bindings, message) => {
    expect(failure(() => verifyProgramSizes(SAMPLE, bindings)).message).toMatch(message);
  });
});

function failure(act: () => void): TritcError {
  try {
    act();
  } catch (error) {
    if (error instanceof TritcError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
