/** Guidance by two passes as one program for both texts, against the passes one after the other: to the bit. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchAxesOf, type Compiled, compileGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { withReferenceInputs } from "../../compiler/for-pipeline.js";
import { importModel } from "../../compiler/import-model.js";
import type { Graph } from "../../ir/graph/graph.js";
import { familyOf, type ModelDescription } from "../../ir/models/index.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import { forTwoTexts } from "../../ir/program/two-texts.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import { createCpuDevice } from "../../runtime/cpu/device.js";
import type { Device, LoadedProgram, LoadOptions } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import type { SampleRequest, TwoPasses } from "../../runtime/sample-inputs.js";
import { sample } from "../../runtime/sampler.js";
import { makeSchedule } from "../../runtime/scheduler.js";
import { beginVelocities } from "../../runtime/velocities.js";
import { cpu, type Target } from "../../targets/index.js";
import { programMemory } from "../../targets/memory/index.js";
import { emulated } from "../support/emulated.js";
import { PROGRAM_DEVICES } from "../support/program-devices.js";
import { randomFloats } from "../support/random.js";
import { loadCompiled } from "../support/run-compiled.js";

const MODELS = join(import.meta.dirname, "../models");
/** FLUX.1, whose modulation depends on the text; FLUX.2; Chroma. */
const TRANSFORMERS = [
  "diffusers/flux1/transformer",
  "diffusers/klein/transformer",
  "chroma/diffusers",
] as const;
const reader = fileReader();
afterAll(() => reader.close());

async function compiled(folder: string, target: Target, as = (graph: Graph) => graph): Promise<Compiled> {
  const imported = importModel(join(MODELS, folder));
  const graph = as(recognize(imported, reader));
  const made = await compileGraph(graph, reader, {
    target,
    options: { ternarize: "absmean", activations: "int8" },
    sizes: { img_tokens: 64, txt_tokens: 16, steps: 4 },
    batchAxes: batchAxesOf(imported, graph),
    ...(target.language === "cuda" ? { codegen: { emit: "source" } } : {}),
  });
  return target.language === "cuda" ? emulated(made) : made;
}

const modelOf = ({ lowered }: Compiled) => lowered.program.model as ModelDescription;

function textOf(model: ModelDescription, tokens: number, seed: number) {
  return {
    context: randomFloats(seed, tokens * model.contextDim),
    contextTokens: tokens,
    pooled: randomFloats(seed + 1, model.family === "flux1" ? model.pooledDim : 0),
  };
}

/** A picture of 15 tokens, and texts of so many. */
function requestOf(
  model: ModelDescription,
  [tokens, others]: readonly [number, number],
  { roomFor }: Pick<TwoPasses, "roomFor"> = {},
): SampleRequest {
  const geometry = familyOf(model).latents.geometry(6, 10, model.inChannels / 4, 1);
  const config = readSchedulerConfig({ shift: 3 });
  return {
    geometry,
    schedule: makeSchedule(config, { steps: 3, imageTokens: geometry.imageTokens, model }),
    latents: randomFloats(5, geometry.imageTokens * model.outChannels),
    ...textOf(model, tokens, 11),
    guidance: 3.5,
    twoPasses: { ...textOf(model, others, 21), scale: 2.5, roomFor },
  };
}

/** What is drawn, and the phases that ran. */
async function drawn(loaded: LoadedProgram, program: Program, request: SampleRequest) {
  const runs: string[] = [];
  const noting: LoadedProgram = {
    ...loaded,
    async run(phases, step) {
      await loaded.run(phases, step);
      runs.push(...phases);
    },
  };
  return { latents: await sample(noting, program, request), runs: runs.join(" ") };
}

/** Linears of a step that two launches read the weights of. */
function readTwice(program: Program, form: Program): readonly string[] {
  const linears = (of: Program) =>
    launchesThatRun(of, "step").flatMap(({ kernel, label }) => (kernel.includes("gemm") ? [label] : []));
  const once = linears(program);
  const twice = linears(form).filter((label, i, all) => all.indexOf(label) < i);
  return twice.filter((label) => once.indexOf(label) === once.lastIndexOf(label));
}

async function loadedOn<T>(
  made: Compiled,
  device: Pick<Device, "load">,
  options: LoadOptions,
  use: (loaded: LoadedProgram, program: Program) => Promise<T>,
): Promise<T> {
  const loaded = await loadCompiled(made, reader, device, options);
  try {
    return await use(loaded, made.lowered.program);
  } finally {
    await loaded.close();
  }
}

const APART_ONLY = { roomFor: () => false };
const APART = "prompt step prompt step step prompt step step prompt step";

it.each(PROGRAM_DEVICES)(
  "both passes at once on %s are the passes one after the other",
  async (_, target, open) => {
    const made = await compiled(TRANSFORMERS[0], target);
    const model = modelOf(made);
    const device = await open();
    try {
      await loadedOn(made, device, { promptWeights: "stream" }, async (loaded, program) => {
        const apart = await drawn(loaded, program, requestOf(model, [7, 4], APART_ONLY));
        const once = await drawn(loaded, program, requestOf(model, [7, 4]));
        const swapped = await drawn(loaded, program, requestOf(model, [4, 7]));
        expect(apart.runs).toBe(APART);
        expect(once.runs).toBe("prompt step step step");
        expect(once.latents).toEqual(apart.latents);
        expect(new Set(once.latents).size).toBeGreaterThan(100);
        expect(swapped.latents).not.toEqual(once.latents);
        const sizes = { img_tokens: 15, txt_tokens: 4, other_txt_tokens: 7, steps: 3 };
        const rules = { ...target, threads: 2, limits: { ...target.limits } };
        const planned = programMemory(forTwoTexts(program) ?? program, sizes, rules, "stream");
        expect(loaded.memoryBytes()).toBe(target.language === "wat" ? planned.peak : planned.step.bytes);
      });
    } finally {
      await device.close();
    }
  },
  120_000,
);

describe("both passes at once", () => {
  let device: Device;
  beforeAll(async () => {
    device = await createNodeCpuDevice({ threads: 2 });
  });
  afterAll(() => device.close());

  // Where a block reads what both texts share, or writes parts of the joint rows.
  it.each([
    [TRANSFORMERS[1], ["double.0.txt.mlp.down", "double.0.img.out", "double.0.img.mlp.down"]],
    [TRANSFORMERS[2], ["double.0.img.out", "double.1.txt.mlp.down", "double.1.img.mlp.down"]],
  ])("of %s", async (folder, twice) => {
    const made = await compiled(folder, cpu);
    const model = modelOf(made);
    const form = forTwoTexts(made.lowered.program) as Program;
    verifyProgram(form);
    verifyProgram(form, [{ img_tokens: 15, txt_tokens: 4, other_txt_tokens: 7, steps: 3 }]);
    expect(forTwoTexts(form)).toBeUndefined();
    expect(readTwice(made.lowered.program, form)).toEqual(twice);
    await loadedOn(made, device, {}, async (loaded, program) => {
      const apart = await drawn(loaded, program, requestOf(model, [4, 7], APART_ONLY));
      const once = await drawn(loaded, program, requestOf(model, [4, 7]));
      expect(once).toEqual({ latents: apart.latents, runs: "prompt step step step" });
    });
  });

  it("with Heun's method, references and velocities for a caller's own loop", async () => {
    const made = await compiled(TRANSFORMERS[1], cpu);
    const model = modelOf(made);
    const grids = [{ rows: 2, columns: 3 }];
    const references = { grids, latents: randomFloats(31, 6 * model.inChannels) };
    await loadedOn(made, device, {}, async (loaded, program) => {
      const asked = (apart: boolean): SampleRequest => ({
        ...requestOf(model, [5, 5], apart ? APART_ONLY : {}),
        ...{ references, sampler: "heun" },
      });
      const [apart, once] = [asked(true), asked(false)];
      const wanted = await drawn(loaded, program, apart);
      expect(await drawn(loaded, program, once)).toEqual({
        latents: wanted.latents,
        runs: "prompt step step step step step",
      });
      const at = randomFloats(41, apart.latents.length);
      const slow = await (await beginVelocities(loaded, program, apart))(1, at);
      expect(slow).toHaveLength(at.length);
      expect(await (await beginVelocities(loaded, program, once))(1, at)).toEqual(slow);
    });
  });

  it("with references by themselves, whose pass both texts share", async () => {
    const made = await compiled("diffusers/klein-kv/transformer", cpu, withReferenceInputs);
    const model = modelOf(made);
    const references = { grids: [{ rows: 2, columns: 3 }], latents: randomFloats(31, 6 * model.inChannels) };
    await loadedOn(made, device, {}, async (loaded, program) => {
      const apart = await drawn(loaded, program, { ...requestOf(model, [4, 7], APART_ONLY), references });
      expect(apart.runs).toBe(APART);
      expect(await drawn(loaded, program, { ...requestOf(model, [4, 7]), references })).toEqual({
        latents: apart.latents,
        runs: "prompt step step step",
      });
      const without = await drawn(loaded, program, requestOf(model, [4, 7]));
      expect(without.latents).not.toEqual(apart.latents);
    });
    const form = forTwoTexts(made.lowered.program) as Program;
    const ofReferences = ({ phases }: Program) =>
      phases.flatMap(({ launches }) => launches).filter(({ rows }) => rows === "ref_tokens");
    expect(ofReferences(form)).toHaveLength(ofReferences(made.lowered.program).length);
  });

  it("where there is memory for both, else one after the other", async () => {
    const made = await compiled(TRANSFORMERS[1], cpu);
    const { program } = made.lowered;
    const request = requestOf(modelOf(made), [300, 300]);
    const sizes = { img_tokens: 15, txt_tokens: 300, other_txt_tokens: 300, steps: 3 };
    const [one, two] = [program, forTwoTexts(program) ?? program].map(
      (form) => programMemory(form, sizes, { ...cpu, threads: 1 }, "keep").peak,
    ) as [number, number];
    expect(two).toBeGreaterThan(one);
    const short = await createCpuDevice({ memoryBytes: (one + two) / 2 });
    try {
      const found = await loadedOn(made, short, {}, (loaded) => drawn(loaded, program, request));
      expect(found.runs).toBe(APART);
      const whole = await loadedOn(made, device, {}, (loaded) => drawn(loaded, program, request));
      expect(whole).toEqual({ latents: found.latents, runs: "prompt step step step" });
    } finally {
      await short.close();
    }
  });
});
