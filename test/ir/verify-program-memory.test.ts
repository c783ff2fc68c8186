/** Faults of what phases may touch, of order, and of memory that values share. */
import { describe } from "vitest";
import { phasesWith } from "../../ir/program/phases.js";
import type { Launch } from "../../ir/program/program.js";
import { byPhase } from "../support/phases.js";
import {
  arena,
  type Broken,
  buffer,
  extended,
  launch,
  launchArg,
  phase,
  refusesEach,
  softening,
  softeningLate,
} from "./broken-programs.js";
import { SAMPLE } from "./program-sample.js";

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

describe("verifyProgram", () => refusesEach([...STORAGE, ...PHASES, ...ORDER]));
