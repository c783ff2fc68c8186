/** What a program is said to allocate, against what the devices count. */
import { availableParallelism } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mapParallel } from "../../compiler/codegen/parallel.js";
import { fileReader } from "../../compiler/file-reader.js";
import type { Compiled } from "../../compiler/pipeline.js";
import { type MemoryRules, programMemory, scheduleWeights } from "../../ir/program/memory/index.js";
import type { Device } from "../../runtime/device.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { targetByName } from "../../targets/index.js";
import { renderTemplate } from "../../templates/render.js";
import { emulatedDriver, emulatorModule } from "../support/cuda-emulator.js";
import { compileGiven, givenTensors } from "../support/given-models.js";
import { loadCompiled } from "../support/run-compiled.js";

const MODEL = "shapes-ternary/transformer";
const QUANTIZED = { ternarize: "exact", activations: "int8" } as const;
const reader = fileReader();
afterAll(() => reader.close());

/** Low enough that launches of the model are cut at the larger sizes. */
const LIMITS = { maxBindingBytes: 1_200_000, maxWorkgroups: 65_535 };

interface Case {
  readonly target: string;
  readonly rules: MemoryRules;
  open(): Promise<Device>;
}

const CASES: readonly Case[] = [
  {
    target: "cpu",
    rules: { kind: "cpu", threads: 2 },
    open: () => createNodeCpuDevice({ threads: 2 }),
  },
  {
    target: "webgpu",
    rules: { kind: "webgpu", limits: LIMITS },
    open: () => createNodeWebGpuDevice({ software: "always", limits: LIMITS }),
  },
  {
    target: "a10",
    rules: { kind: "cuda" },
    open: async () => createNodeCudaDevice({ driver: (await emulatedDriver("sm_86", "forward")).path }),
  },
];

/** Kernels that the case's device runs: modules for the emulator in place of nvcc's binaries. */
async function compiled(target: string): Promise<Compiled> {
  const cuda = target === "a10";
  const result = await compileGiven(MODEL, reader, {
    target: targetByName(target),
    options: QUANTIZED,
    ...(cuda ? { codegen: { emit: "source" } } : {}),
  });
  if (!cuda) return result;
  const definitions = new Map(
    result.lowered.kernels.map(({ kernel, definition }) => [kernel.id, definition]),
  );
  const kernels = await mapParallel(result.kernels, availableParallelism(), async (artifact) => {
    const definition = definitions.get(artifact.id);
    if (definition === undefined) throw new Error(`no definition of ${artifact.id}`);
    return {
      ...artifact,
      binary: await emulatorModule(renderTemplate(definition.template, definition.values)),
    };
  });
  return { ...result, kernels };
}

describe.each(CASES)("$target", ({ target, rules, open }) => {
  let device: Device;
  let model: Compiled;
  beforeAll(async () => {
    [device, model] = [await open(), await compiled(target)];
  }, 180_000);
  afterAll(() => device.close());

  it.each(["keep", "stream"] as const)(
    "allocates what was planned, prompt weights: %s",
    async (promptWeights) => {
      const { program } = model.lowered;
      const loaded = await loadCompiled(model, reader, device, { promptWeights });
      let most = 0;
      for (const [img_tokens, steps] of [
        [16, 1],
        [64, 7],
        [1024, 50],
        [9, 3],
      ] as const) {
        const bindings = { img_tokens, steps, txt_tokens: 64 };
        const planned = programMemory(program, bindings, rules, promptWeights);
        for (const phase of [planned.load, planned.prompt, planned.step]) {
          expect(phase.allocations.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(phase.bytes);
          expect(phase.allocations.every(({ bytes }) => bytes >= 0)).toBe(true);
        }
        if (most === 0) expect(loaded.peakMemoryBytes()).toBe(planned.load.bytes);
        await loaded.bind(bindings);
        if (img_tokens < 1024) await loaded.run(["prompt"], 0);
        most = Math.max(most, img_tokens < 1024 || promptWeights === "keep" ? planned.peak : 0);
        // The cpu device's memory never shrinks.
        if (target !== "cpu") expect(loaded.memoryBytes()).toBe(planned.step.bytes);
        else if (promptWeights === "keep") expect(loaded.memoryBytes()).toBe(most);
      }
      if (promptWeights === "keep") expect(loaded.peakMemoryBytes()).toBe(most);
      await loaded.close();
    },
    120_000,
  );

  it("counts the peak of a prompt whose weights are streamed", async () => {
    const { program } = model.lowered;
    const bindings = { img_tokens: 16, txt_tokens: 64, steps: 5 };
    const peaks = { keep: 0, stream: 0 };
    for (const promptWeights of ["keep", "stream"] as const) {
      const loaded = await loadCompiled(model, reader, device, { promptWeights });
      await loaded.bind(bindings);
      await loaded.run(["prompt"], 0);
      peaks[promptWeights] = loaded.peakMemoryBytes();
      expect(peaks[promptWeights]).toBe(programMemory(program, bindings, rules, promptWeights).peak);
      await loaded.close();
    }
    expect(peaks.stream).toBeLessThan(peaks.keep);
  }, 120_000);

  it("computes the same with streamed weights, again and again", async () => {
    const { program } = model.lowered;
    expect(scheduleWeights(program, "stream").streamed.size).toBeGreaterThan(10);
    const inputs = givenTensors(`${MODEL}/inputs.safetensors`);
    const kept = await loadCompiled(model, reader, device);
    const streamed = await loadCompiled(model, reader, device, { promptWeights: "stream" });
    const wanted = await evaluateBundle(kept, program, inputs);
    for (const _ of [1, 2]) expect(await evaluateBundle(streamed, program, inputs)).toEqual(wanted);
    await kept.close();
    await streamed.close();
  }, 120_000);
});
