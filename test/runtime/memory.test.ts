/** What a program is said to allocate, against what the devices count. */
import { availableParallelism } from "node:os";
import koffi from "koffi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mapParallel } from "../../compiler/codegen/parallel.js";
import type { Compiled } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { scheduleWeights } from "../../ir/program/prompt-weights.js";
import type { Device } from "../../runtime/device.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { cpu, targetByName } from "../../targets/index.js";
import { type MemoryRules, programMemory } from "../../targets/memory/index.js";
import { renderTemplate } from "../../templates/render.js";
import { emulatedDriver, emulatorModule } from "../support/cuda-emulator.js";
import { compileGiven, givenTensors } from "../support/given-models.js";
import { loadCompiled } from "../support/run-compiled.js";

const MODEL = "shapes-ternary/transformer";
const QUANTIZED = { ternarize: "exact", activations: "int8" } as const;
const reader = fileReader();
afterAll(() => reader.close());

/** Low enough that launches of the model are cut at the larger sizes. */
const LIMITS = { maxBindingBytes: 4_000_000, maxWorkgroupsPerDimension: 65_535 };

interface Case {
  readonly target: string;
  readonly rules: MemoryRules;
  open(): Promise<Device>;
  /** Bytes that the driver has given out, where it can be asked. */
  deviceBytes?(): Promise<number>;
}

const CASES: readonly Case[] = [
  {
    target: "cpu",
    rules: { ...cpu, threads: 2 },
    open: () => createNodeCpuDevice({ threads: 2 }),
  },
  {
    target: "webgpu",
    rules: { language: "wgsl", limits: LIMITS },
    open: () => createNodeWebGpuDevice({ software: "always", limits: LIMITS }),
  },
  {
    target: "a10",
    rules: targetByName("a10"),
    open: async () => createNodeCudaDevice({ driver: (await emulatedDriver("sm_86", "forward")).path }),
    async deviceBytes() {
      const { path } = await emulatedDriver("sm_86", "forward");
      const count: () => number = koffi.load(path).func("size_t fakeDeviceBytes()");
      return Number(count());
    },
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

describe.each(CASES)("$target", ({ target, rules, open, deviceBytes }) => {
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
        [1024, 7],
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
        await loaded.run(["prompt"], 0);
        most = Math.max(most, planned.peak);
        expect(loaded.peakMemoryBytes()).toBe(most);
        // The cpu device's memory never shrinks.
        expect(loaded.memoryBytes()).toBe(target === "cpu" ? most : planned.step.bytes);
        if (deviceBytes !== undefined) expect(await deviceBytes()).toBe(loaded.memoryBytes());
      }
      await loaded.close();
      if (deviceBytes !== undefined) expect(await deviceBytes()).toBe(0);
    },
    120_000,
  );

  it("computes the same with streamed weights, also after they could not be read", async () => {
    const { program } = model.lowered;
    expect(scheduleWeights(program, "stream").streamed.size).toBeGreaterThan(10);
    const inputs = givenTensors(`${MODEL}/inputs.safetensors`);
    let unplugged = false;
    const flaky: Pick<Device, "load"> = {
      load: (loaded, code, weights, options) =>
        device.load(
          loaded,
          code,
          {
            bytes: async (tensor) => {
              if (unplugged) throw new Error("unplugged");
              return weights.bytes(tensor);
            },
          },
          options,
        ),
    };
    const kept = await loadCompiled(model, reader, device);
    const wanted = await evaluateBundle(kept, program, inputs);
    await kept.close();
    const streamed = await loadCompiled(model, reader, flaky, { promptWeights: "stream" });
    expect(await evaluateBundle(streamed, program, inputs)).toEqual(wanted);
    const held = streamed.memoryBytes();
    unplugged = true;
    await expect(streamed.run(["prompt"], 0)).rejects.toThrow("unplugged");
    expect(streamed.memoryBytes()).toBe(held);
    unplugged = false;
    await streamed.run(["step"], 0);
    expect(await evaluateBundle(streamed, program, inputs)).toEqual(wanted);
    await streamed.close();
  }, 120_000);
});
