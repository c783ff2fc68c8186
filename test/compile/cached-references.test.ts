/** FLUX.2 with references by themselves: one pass of theirs per prompt, by the same weights, in kernels of every language. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { referenceBytes } from "../../compiler/account/reference-bytes.js";
import { batchAxesOf, compileGraph, planGraph, recognize } from "../../compiler/compile-graph.js";
import { drawingOf, plannedSizes } from "../../compiler/drawing.js";
import { fileReader } from "../../compiler/file-reader.js";
import { forPipeline, withReferenceInputs } from "../../compiler/for-pipeline.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { withReferencePass } from "../../compiler/passes/cache-references.js";
import { evaluateDim } from "../../ir/dim.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import type { Tensor } from "../../ir/tensor.js";
import { cpu } from "../../targets/index.js";
import { tensorOf } from "../recognize/models.js";
import { emulated } from "../support/emulated.js";
import { fluxInputs } from "../support/flux-builder.js";
import { buildFlux2, type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { modelFiles } from "../support/model-files.js";
import { PROGRAM_DEVICES } from "../support/program-devices.js";
import { randomFloats } from "../support/random.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";
import { shareWebGpuDevices } from "../support/shared-webgpu.js";

shareWebGpuDevices();
const files = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());

const STYLE = STYLES2["dynamo opset 20"] as Flux2Style;
const SIZE = { ...TINY2, axes: [8, 8, 8, 8], mlp: 96, doubles: 1, singles: 2 };
const TOKENS = { img: 20, txt: 9 };
const HIDDEN = SIZE.heads * 32;

function modelOf(
  name: string,
  style: Flux2Style = STYLE,
): { readonly imported: Graph; readonly graph: Graph } {
  const file = join(files.root, `${name}.onnx`);
  writeFileSync(file, buildFlux2(style, SIZE));
  const imported = importOnnx(file);
  return { imported, graph: recognize(imported, reader) };
}

const { imported, graph: plain } = modelOf("plain");
const graph = withReferenceInputs(plain);

/** Inputs with so many tokens of references, on a grid three wide. */
function inputsOf(references: number): Map<string, Tensor> {
  const given = Object.entries(fluxInputs(STYLE, SIZE, TOKENS));
  const data = randomFloats(5, references * SIZE.inChannels);
  const ids = Float32Array.from({ length: references * 4 }, (_, i) => {
    const token = Math.floor(i / 4);
    return [10, Math.floor(token / 3), token % 3, 0][i % 4] ?? 0;
  });
  const rank3 = given.find(([id]) => plain.model?.roles[id] === "img-ids")?.[1].dims.length === 3;
  return new Map<string, Tensor>([
    ...given.map(([id, input]): [string, Tensor] => [id, tensorOf(input)]),
    ["reference_hidden_states", { dtype: "f32", shape: [1, references, SIZE.inChannels], data }],
    ["reference_ids", { dtype: "f32", shape: rank3 ? [1, references, 4] : [references, 4], data: ids }],
  ]);
}

const outputOf = (of: Graph, inputs: ReadonlyMap<string, Tensor>) =>
  [...interpret(of, inputs, { reader }).values()][0];

function stages(target: typeof cpu, options: { ternarize: "none" | "exact"; activations: "f32" | "int8" }) {
  const sizes = { img_tokens: TOKENS.img, txt_tokens: TOKENS.txt, ref_tokens: 17, steps: 4 };
  return {
    target,
    options,
    sizes,
    batchAxes: batchAxesOf(imported, graph),
    codegen: { emit: "source" },
  } as const;
}

describe("references by themselves", () => {
  it("change nothing where there are none, and what is drawn where there are some", () => {
    const withPass = withReferencePass(graph);
    const alone = outputOf(plain, new Map([...inputsOf(0)].filter(([id]) => plain.inputs.includes(id))));
    expect(relativeError(outputOf(withPass, inputsOf(0)), alone)).toBe(0);
    expect(relativeError(outputOf(withPass, inputsOf(17)), alone)).toBeGreaterThan(0.01);
    // Once is enough.
    expect(withReferencePass(withPass)).toBe(withPass);
  });

  it("are computed in `prompt`, by the weights of the steps, but for the copies that the steps attend to", () => {
    const options = { ternarize: "exact", activations: "int8" } as const;
    const { lowered, graph: final } = planGraph(graph, reader, stages(cpu, options));
    const without = planGraph(plain, reader, stages(cpu, options));
    // The timestep of references alone is theirs.
    const names = (of: typeof lowered) =>
      of.tensors.map(({ name }) => name).filter((name) => !/references$/.test(name));
    expect(names(lowered).toSorted()).toEqual(names(without.lowered).toSorted());
    const { program } = lowered;
    const families = new Map(program.kernels.map(({ id, family }) => [id, family]));
    const depends = ({ rows, args }: ReturnType<typeof launchesThatRun>[number]) =>
      `${rows} ${args.map(({ rowStride }) => rowStride)}`.includes("ref_tokens");
    const inStep = launchesThatRun(program, "step").filter(depends);
    expect(inStep.map(({ kernel }) => families.get(kernel))).toEqual(
      Array.from({ length: 6 }, () => "elementwise"),
    );
    // The last block's attention and MLP of references are nobody's.
    const attentions = final.nodes.filter(({ op }) => op === "attention");
    expect(attentions).toHaveLength(3 + 2);
    expect(final.nodes.filter(({ op }) => op === "ternary-linear")).toHaveLength(12 + 7);
    for (const ref_tokens of [0, 17]) {
      const sizes = { img_tokens: 20, txt_tokens: 9, ref_tokens, steps: 4 };
      expect(referenceBytes(program, sizes)).toBe(3 * 2 * HIDDEN * 4 * ref_tokens);
      expect(referenceBytes(without.lowered.program, sizes)).toBe(0);
    }
    const symbol = program.inputs.find(({ role }) => role === "reference-latents")?.shape[1] ?? 0;
    expect(evaluateDim(symbol, { ref_tokens: 3 })).toBe(3);
  });

  it("are planned for as tokens of their own, one picture where nobody says", () => {
    const pipeline = { className: "Flux2KleinKVPipeline", folder: "kv" };
    const config = {
      ...pipeline,
      scheduler: null,
      vae: null,
      sampleSize: null,
      textLength: 9,
      distilled: null,
    };
    const kv = forPipeline(plain, config);
    expect(kv.inputs).toEqual(graph.inputs);
    const resolutions = [{ width: 64, height: 64 }];
    const drawing = drawingOf(kv, { pipeline: config, resolutions });
    expect(plannedSizes(drawing)).toEqual([{ img_tokens: 16, ref_tokens: 4096, txt_tokens: 9, steps: 4 }]);
    const more = drawingOf(kv, { pipeline: config, resolutions, references: 3 });
    expect(plannedSizes(more)[0]).toMatchObject({ img_tokens: 16, ref_tokens: 3 * 4096 });
    const klein = { ...config, className: "Flux2KleinPipeline" };
    expect(forPipeline(plain, klein)).toBe(plain);
    expect(plannedSizes(drawingOf(plain, { pipeline: klein, resolutions }))[0]).toMatchObject({
      img_tokens: 16,
    });
  });

  it("take a model of any number of tokens", () => {
    const { model, types } = plain;
    const latents = plain.inputs.find((id) => model?.roles[id] === "latents") ?? "";
    const fixed = {
      ...plain,
      types: new Map([...types, [latents, { dtype: "f32", shape: [1, 20, 8] }] as const]),
    };
    expect(() => withReferenceInputs(fixed)).toThrow(/exported for one number of tokens[\s\S]*dynamic axes/);
  });
});

describe.each(PROGRAM_DEVICES)("references by themselves on %s", (name, target, open) => {
  it.each([
    { ternarize: "none", activations: "f32" },
    { ternarize: "exact", activations: "int8" },
  ] as const)("are the interpreter's: %o", { timeout: 300_000 }, async (options) => {
    const compiled = await compileGraph(graph, reader, stages(target, options));
    const result = name === "cuda" ? await emulated(compiled) : compiled;
    const device = await open();
    try {
      for (const references of [0, 1, 17]) {
        const inputs = inputsOf(references);
        const [found] = (await runCompiled(result, reader, device, inputs)).values();
        const limit = options.activations === "f32" ? 1e-5 : name === "cuda" ? 0.02 : 1e-4;
        expect(relativeError(found, outputOf(result.graph, inputs))).toBeLessThan(limit);
      }
    } finally {
      await device.close();
    }
  });
});
