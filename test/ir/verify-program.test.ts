/** Faults of sizes, and what is verified when. */
import { describe, expect, it } from "vitest";
import { phasesWith } from "../../ir/program/phases.js";
import type { Launch, Program } from "../../ir/program/program.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { verifyProgramSizes } from "../../ir/program/verify-sizes.js";
import { byPhase } from "../support/phases.js";
import {
  type Broken,
  buffer,
  extended,
  failure,
  launch,
  launchArg,
  refusesEach,
  softening,
  softeningLate,
} from "./broken-programs.js";
import { arg, SAMPLE } from "./program-sample.js";

const tooManyRows = {
  rows: "img_tokens+1",
  grid: [
    { size: 1, tile: 1 },
    { size: "img_tokens+1", tile: 64 },
  ],
};

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
  refusesEach(SIZES);

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
