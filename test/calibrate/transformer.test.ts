/** Several samples at once through the recognized graph, against the export itself in ONNX Runtime. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openTransformer, type Query, writeTransformer } from "../../compiler/calibrate/transformer.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { batchAxesOf, recognize } from "../../compiler/recognize/recognition.js";
import { type ModelDescription, valuesOf } from "../../ir/models/index.js";
import { type OrtSession, openOrtSession } from "../../runtime/node/ort-session.js";
import { makeNoise } from "../../runtime/noise.js";
import type { HostTensor } from "../../runtime/pipeline/network.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { buildFlux } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { modelFiles } from "../support/model-files.js";

const models = modelFiles();
const SAMPLES = 3;
const GEOMETRY = {
  ...{ height: 4, width: 6, channels: 3, latentHeight: 4, latentWidth: 6, rows: 2, columns: 3 },
  ...{ imageTokens: TINY.img, packedChannels: TINY.inChannels },
};

const queryOf = (model: ModelDescription, i: number): Query => ({
  model,
  geometry: GEOMETRY,
  latents: makeNoise(i, TINY.img * TINY.inChannels),
  context: makeNoise(i, TINY.txt * TINY.contextDim, 1),
  contextTokens: TINY.txt,
  pooled: makeNoise(i, TINY.pooledDim, 2),
  guidance: 1.5 + i,
  timesteps: Float32Array.of(0.3 + 0.2 * i),
});

/** What the export gives for one sample, fed as many times as it takes. */
async function velocityOf(session: OrtSession, style: FluxStyle, query: Query): Promise<Float32Array> {
  const values = valuesOf(query);
  const { img, txt, inChannels, contextDim, pooledDim } = TINY;
  const ids = (tokens: number) => (style.idRank === 3 ? [1, tokens, 3] : [tokens, 3]);
  const shapes = {
    ...{ latents: [1, img, inChannels], context: [1, txt, contextDim], pooled: [1, pooledDim] },
    ...{ timestep: [1], guidance: [1], "img-ids": ids(img), "txt-ids": ids(txt) },
  };
  const count = typeof style.batch === "number" ? style.batch : 1;
  const feeds = style.inputs.map(([role, name]): [string, HostTensor] => {
    const [rows = 1, ...rest] = shapes[role];
    const times = style.idRank === 2 && role.endsWith("ids") ? 1 : count;
    const data = Array.from({ length: times }, () => [...values(role)]).flat();
    return [name, { data: Float32Array.from(data), shape: [times * rows, ...rest] }];
  });
  const [velocity] = (await session.run(Object.fromEntries(feeds))).values();
  return velocity?.data.subarray(0, img * TINY.outChannels) ?? new Float32Array();
}

interface Model {
  readonly style: FluxStyle;
  /** What is read: the export, if it is not another form of it. */
  readonly input?: string;
  readonly file: string;
}

const exported = (style: FluxStyle): Model => ({ style, file: models.save(buildFlux(style, TINY)) });

/** A Diffusers folder, and the same weights as an export. */
function diffusers(): Model {
  const { onnx, diffusers: tensors } = fluxModel(TINY);
  const input = join(models.root, "diffusers", "transformer");
  writeDiffusers(input, diffusersConfig(TINY), tensors);
  return { style: TORCHSCRIPT, input, file: models.save(onnx) };
}

const STATIC_HALF = STYLES["f16 weights, static, flat heads, sine first"] ?? TORCHSCRIPT;
const CASES: Readonly<Record<string, () => Model>> = {
  "a TorchScript export": () => exported(TORCHSCRIPT),
  "one for three samples, ids for each": () => exported({ ...TORCHSCRIPT, batch: 3, idRank: 3 }),
  "the original implementation's": () => exported(STYLES["original implementation"] ?? TORCHSCRIPT),
  "a static one in half precision without guidance": () => exported(STATIC_HALF),
  "a Diffusers folder": diffusers,
};

describe("velocities", () => {
  it.each(Object.entries(CASES))("of %s are those of each sample alone", async (_, make) => {
    const { style, file, input = file } = make();
    const reader = fileReader();
    const imported = importModel(input);
    const graph = recognize(imported, reader);
    const { model } = graph;
    if (model === undefined) throw new Error("not recognized");
    const folder = mkdtempSync(join(models.root, "t-"));
    const graphs = { graph, batchAxes: batchAxesOf(imported, graph) };
    const written = await writeTransformer(graphs, folder, { reader });
    reader.close();
    expect(written.takesBatches).toBe(true);
    const queries = Array.from({ length: SAMPLES }, (_, i) => queryOf(model, i));
    const transformer = await openTransformer(written, 1);
    const found = await transformer.velocities(queries).finally(() => transformer.close());
    const session = await openOrtSession(file, { threads: 1 });
    for (const [i, query] of queries.entries()) {
      const expected = await velocityOf(session, style, query);
      expect(found[i]?.length).toBe(TINY.img * TINY.outChannels);
      const apart = expected.map((value, j) => Math.abs(value - (found[i]?.[j] ?? Number.NaN)));
      expect(Math.max(...apart)).toBeLessThan(style.weightType === "f16" ? 5e-3 : 1e-4);
    }
    await session.close();
  });
});
