/**
 * A small Chroma for devices whose bindings hold its modulations of one step but not of all: kernels bind those of the step
 * that runs. The numbers are the same.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileGraph, planGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { evaluateDim } from "../../ir/dim.js";
import { vectorArg } from "../../ir/families/contract/arguments.js";
import { stepWindow } from "../../ir/families/contract/step-window.js";
import type { Program } from "../../ir/program/program.js";
import type { Device, LoadedProgram } from "../../runtime/device.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { webgpu } from "../../targets/index.js";
import { bufferBytes } from "../../targets/memory/buffers.js";
import { LaunchPlanner } from "../../targets/webgpu/dispatches.js";
import { randomFloats } from "../support/random.js";
import { loadCompiled } from "../support/run-compiled.js";

const MODEL = join(import.meta.dirname, "../models/chroma/diffusers");
const SIZES = { img_tokens: 12, txt_tokens: 7, steps: 20 };
/** 32 vectors of 16 channels for each step. */
const STEP_BYTES = 32 * 16 * 4;
const MAX_BINDING_BYTES = 8 * STEP_BYTES;
const reader = fileReader();
afterAll(() => reader.close());

function stages(maxBindingBytes: number) {
  return {
    target: { ...webgpu, limits: { ...webgpu.limits, maxBindingBytes } },
    options: { ternarize: "exact", activations: "int8" },
    sizes: SIZES,
    batchAxes: new Map(),
  } as const;
}

const recognized = () => recognize(importModel(MODEL), reader);

/** The buffer of all steps' modulations. */
function modulations({ buffers, phases }: Program) {
  const step = phases.find(({ name }) => name === "step");
  const read = step?.launches.flatMap(({ args }) => args).filter(({ stepStride }) => stepStride !== 0) ?? [];
  const [id, ...others] = new Set(read.map(({ buffer }) => buffer));
  expect(others).toEqual([]);
  return buffers.find((buffer) => buffer.id === id) ?? expect.fail("no modulations");
}

describe("modulations of more steps than a binding holds", () => {
  const devices: Device[] = [];
  beforeAll(async () => {
    for (const limits of [{}, { maxBindingBytes: MAX_BINDING_BYTES }])
      devices.push(await createNodeWebGpuDevice({ software: "always", limits }));
  });
  afterAll(async () => {
    for (const device of devices) await device.close();
  });

  it("are the same, whichever step runs after which", async () => {
    const compiled = await compileGraph(recognized(), reader, stages(MAX_BINDING_BYTES));
    const { program } = compiled.lowered;
    expect(bufferBytes(modulations(program), SIZES)).toBe(SIZES.steps * STEP_BYTES);
    const [output = expect.fail()] = program.outputs;
    const programs: LoadedProgram[] = [];
    for (const device of devices) {
      const loaded = await loadCompiled(compiled, reader, device);
      await loaded.bind(SIZES);
      for (const [i, { name, buffer }] of program.inputs.entries()) {
        const { elements } = program.buffers.find(({ id }) => id === buffer) ?? expect.fail();
        const count = evaluateDim(elements, SIZES);
        if (name === "timestep")
          loaded.write(
            buffer,
            Float32Array.from({ length: SIZES.steps }, (_, s) => 1 - s / 25),
          );
        else if (name === "attention_mask") loaded.write(buffer, new Float32Array(7).fill(1, 0, 5));
        else loaded.write(buffer, randomFloats(i + 1, count));
      }
      await loaded.run(["prompt"], 0);
      programs.push(loaded);
    }
    const results: Float32Array[] = [];
    for (const step of [0, 19, 7, 8, 0]) {
      const [wanted, found] = await Promise.all(
        programs.map(async (loaded) => {
          await loaded.run(["step"], step);
          return Float32Array.from(await loaded.read(output.buffer));
        }),
      );
      expect(found).toEqual(wanted);
      expect(found?.every(Number.isFinite)).toBe(true);
      results.push(found ?? expect.fail());
    }
    const [first, last, seventh, eighth, again] = results;
    expect(again).toEqual(first);
    // Each step has modulations of its own.
    expect(new Set([first, last, seventh, eighth].map((result) => result?.join())).size).toBe(4);
  });

  it("are bound a step at a time, at what bindings may begin at", () => {
    const { program } = planGraph(recognized(), reader, stages(MAX_BINDING_BYTES)).lowered;
    const { id } = modulations(program);
    const { maxWorkgroupsPerDimension } = webgpu.limits;
    const planner = new LaunchPlanner(program, SIZES, {
      maxBindingBytes: MAX_BINDING_BYTES,
      maxWorkgroupsPerDimension,
    });
    const launches = program.phases.find(({ name }) => name === "step")?.launches ?? [];
    const dispatches = launches.flatMap((launch) =>
      planner.plan(launch, program.kernels.find((kernel) => kernel.id === launch.kernel) ?? expect.fail()),
    );
    const bound = dispatches.flatMap(({ bindings }) => bindings.filter(({ buffer }) => buffer === id));
    expect(bound.length).toBeGreaterThan(8);
    for (const { offset, size, stepBytes } of bound) {
      expect(stepBytes).toBe(STEP_BYTES);
      expect(offset % 256).toBe(0);
      expect(size).toBeLessThanOrEqual(256 + 16 * 4);
      expect(offset + (SIZES.steps - 1) * stepBytes + size).toBeLessThanOrEqual(SIZES.steps * STEP_BYTES);
    }
    expect(dispatches.flatMap(({ steps }) => steps)).toEqual([]);
  });

  it("are bound whole where a binding has room for them", () => {
    const { program } = planGraph(recognized(), reader, stages(webgpu.limits.maxBindingBytes)).lowered;
    const planner = new LaunchPlanner(program, SIZES, webgpu.limits);
    const launches = program.phases.find(({ name }) => name === "step")?.launches ?? [];
    const bindings = launches.flatMap((launch) =>
      planner
        .plan(launch, program.kernels.find((kernel) => kernel.id === launch.kernel) ?? expect.fail())
        .flatMap((dispatch) => dispatch.bindings),
    );
    expect(bindings.length).toBeGreaterThan(0);
    expect(bindings.every(({ stepBytes }) => stepBytes === 0)).toBe(true);
  });
});

describe("stepWindow", () => {
  const vector = vectorArg("shift", 100);
  const launch = { rows: 9, scalars: [], rowStrides: [0] };
  const stepped = { stepStride: 640, elementBytes: 4 };

  it("is what a launch touches at a step, if there is room for it behind an early begin", () => {
    expect(stepWindow(vector, 0, launch, stepped, 656)).toBe(100);
    expect(stepWindow(vector, 0, launch, stepped, 655)).toBeUndefined();
    expect(stepWindow(vector, 0, { ...launch, rowStrides: [128] }, stepped, 65_536)).toBe(8 * 128 + 100);
  });

  it("is none where steps share their elements, or begin where no binding may", () => {
    expect(stepWindow(vector, 0, launch, { ...stepped, stepStride: 0 }, 65_536)).toBeUndefined();
    expect(stepWindow(vector, 0, launch, { ...stepped, stepStride: 641 }, 65_536)).toBeUndefined();
  });
});
