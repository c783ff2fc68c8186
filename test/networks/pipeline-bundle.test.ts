/** Networks of a pipeline as bundles of their own: the text encoders of the small model, compiled as they are. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CompileOptions, type CompileReport, compileModel } from "../../compiler/compile.js";
import { fileReader } from "../../compiler/file-reader.js";
import type { NetworkPart } from "../../compiler/networks/part.js";
import { importAndRecognize } from "../../compiler/recognize/recognition.js";
import { parseManifest } from "../../ir/format/manifest.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { type GeneratedPicture, type GeneratorOptions, openGenerator } from "../../runtime/node/generate.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { openPipelineModels } from "../../runtime/node/pipeline-models.js";
import { openBundleNetwork } from "../../runtime/pipeline/bundle-network.js";
import { relativeError } from "../support/attention.js";
import { cli } from "../support/cli.js";
import { snapshot } from "../support/tree.js";

const SHAPES = "test/models/shapes";
const ENCODERS = ["text_encoder", "text_encoder_2"] as const;
const PROMPT = "a photo of a red circle left of a blue square";

const root = mkdtempSync(join(tmpdir(), "tritc-networks-"));
afterAll(() => rmSync(root, { recursive: true }));
/** The pipeline, in which the text encoders are something to compile. */
const model = join(root, "model");
const bundle = join(root, "bundle");
let report: CompileReport;
const notices: string[] = [];

const parts: readonly NetworkPart[] = ENCODERS.map((name) => ({
  name,
  folder: join(root, name),
  build: () => importAndRecognize(join(root, name, "model.onnx"), fileReader()),
  sizes: () => ({ batch_size: 1 }),
}));

function compile(out: string, options: Partial<CompileOptions> = {}): Promise<CompileReport> {
  return compileModel(
    {
      ...{ input: model, out, target: "cpu", ternarize: "none", activations: "f32", threads: 1 },
      onNotice: (text) => notices.push(text),
      ...options,
    },
    () => parts,
  );
}

/** Rows of the tables that both look their tokens up in. */
const VOCABULARY = 29;

async function draw(options: GeneratorOptions): Promise<GeneratedPicture> {
  const generator = await openGenerator(bundle, { threads: 2, ...options });
  try {
    return await generator.generate({ prompt: PROMPT, seed: 7, steps: 2 });
  } finally {
    await generator.close();
  }
}

beforeAll(async () => {
  cpSync(SHAPES, model, { recursive: true, filter: (from) => !/eval|README/.test(from) });
  for (const name of ENCODERS) renameSync(join(model, name), join(root, name));
  for (const name of ENCODERS) cpSync(join(model, "tokenizer"), join(model, name), { recursive: true });
  report = await compile(bundle);
}, 120_000);

describe("a folder whose text encoders are compiled", () => {
  it("holds a bundle for each, and what is ONNX as it is", () => {
    expect(notices).toEqual([]);
    expect(report.networks.map(({ name }) => name)).toEqual(ENCODERS);
    for (const { name, weightBytes, memoryBytes, kernels } of report.networks) {
      const folder = join(bundle, "pipeline", name);
      expect(readdirSync(folder).sort()).toEqual([
        ...["graph.ir", "kernels", "manifest.json", "program.json", "weights.safetensors"],
      ]);
      const manifest = parseManifest(readFileSync(join(folder, "manifest.json"), "utf8"));
      expect(manifest).toMatchObject({ target: "cpu", model: null, sampling: null });
      expect(manifest.files.find(({ path }) => path === "weights.safetensors")?.bytes).toBe(weightBytes);
      expect(manifest.kernels.length).toBe(kernels);
      expect(manifest.memory.plans.map(({ keep }) => Math.max(...Object.values(keep)))).toEqual([
        memoryBytes,
      ]);
    }
    expect(existsSync(join(bundle, "pipeline", "vae_decoder", "model.onnx"))).toBe(true);
    const outer = parseManifest(readFileSync(join(bundle, "manifest.json"), "utf8"));
    const listed = outer.files.map(({ path }) => path);
    expect(listed).toContain("pipeline/text_encoder/manifest.json");
    expect(listed).toContain("pipeline/text_encoder_2/weights.safetensors");
  });

  it("says what the device holds, and what stays there", () => {
    const [clip = 0, t5 = 0] = report.networks.map(({ memoryBytes }) => memoryBytes);
    const { memoryBytes } = report;
    expect(report.residency).toEqual({
      policy: "keep",
      peaks: {
        keep: memoryBytes + clip + t5,
        close: memoryBytes + Math.max(clip, t5),
        alone: memoryBytes,
      },
    });
  });

  it("is reported with its pipeline", async () => {
    const out = join(root, "report.html");
    expect(await cli(["report", bundle, "-o", out])).toMatchObject({ code: 0, stderr: "" });
    const html = readFileSync(out, "utf8");
    const counted = (bytes: number) => `>${bytes.toLocaleString("en")}<`;
    const { keep = 0, close = 0, alone = 0 } = report.residency?.peaks ?? {};
    for (const bytes of [keep, close, alone, ...report.networks.map(({ memoryBytes }) => memoryBytes)])
      expect(html).toContain(counted(bytes));
    expect(html.match(/>chosen, fits</g)).toHaveLength(1);
  });

  it("draws what ONNX Runtime's text encoders draw, whatever stays on the device", async () => {
    const wanted = await draw({ pipeline: SHAPES });
    const kept = (["keep", "close", "alone"] as const).map((residency) => ({ residency }));
    for (const options of [...kept, { pipeline: bundle }]) {
      const found = await draw(options);
      expect(relativeError(found.latents, wanted.latents)).toBeLessThan(1e-5);
      const distances = found.rgb.map((value, i) => Math.abs(value - (wanted.rgb[i] ?? 0)));
      expect(Math.max(...distances)).toBeLessThanOrEqual(1);
    }
  }, 120_000);

  it.each(ENCODERS)("refuses tokens that its %s has no embeddings of", async (name) => {
    const device = await openDevice("cpu", { threads: 1 });
    const { openBelow } = await openBundle(bundle);
    const network = await openBundleNetwork(await openBelow(`pipeline/${name}`), device, name);
    const run = (token: number) => {
      const data = new Float32Array(12).fill(1).with(4, token);
      return network.run({ input_ids: { data, shape: [1, 12] } });
    };
    await expect(run(VOCABULARY)).rejects.toMatchObject({
      code: "TRITC_E_PIPELINE_MODEL",
      details: { place: name, expected: `input_ids below ${VOCABULARY}`, found: String(VOCABULARY) },
    });
    for (const { data } of (await run(VOCABULARY - 1)).values())
      expect(data.every(Number.isFinite)).toBe(true);
    await device.close();
  });

  it("encodes without its transformer", async () => {
    const models = await openPipelineModels(join(bundle, "pipeline"), { threads: 1 });
    const onnx = await openPipelineModels(SHAPES, { threads: 1 });
    const [found, wanted] = [await models.encode(PROMPT), await onnx.encode(PROMPT)];
    expect(found.contextTokens).toBe(wanted.contextTokens);
    expect(relativeError(found.context, wanted.context)).toBeLessThan(1e-6);
    expect(relativeError(found.pooled, wanted.pooled)).toBeLessThan(1e-6);
    await models.close();
    await onnx.close();
    await expect(models.encode("another prompt")).rejects.toMatchObject({ code: "TRITC_E_CLOSED" });
  });

  it("refuses a network whose weights are not those that were listed", async () => {
    const changed = join(root, "changed");
    cpSync(bundle, changed, { recursive: true });
    const weights = join(changed, "pipeline", "text_encoder", "weights.safetensors");
    const opened = await openBundle(changed);
    const bytes = readFileSync(weights);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(weights, bytes);
    // Open already: the file is looked at again before it is used.
    const models = await openPipelineModels(join(changed, "pipeline"), { bundle: opened });
    await expect(models.encode(PROMPT)).rejects.toMatchObject({ code: "TRITC_E_BUNDLE_FILE" });
    await models.close();
    await expect(openGenerator(changed)).rejects.toMatchObject({ code: "TRITC_E_BUNDLE_FILE" });
  });
});

it("goes on with the network at which it was stopped", async () => {
  const out = join(root, "again", "out");
  const stop = new AbortController();
  const stopped = compile(out, {
    signal: stop.signal,
    onProgress({ phase, network, done, total }) {
      if (phase === "weights" && network === "text_encoder_2" && done === total)
        stop.abort(new Error("stopped"));
    },
  });
  await expect(stopped).rejects.toThrow("stopped");
  expect(existsSync(out)).toBe(false);
  notices.length = 0;
  const { packing, networks } = await compile(out);
  expect(notices).toEqual([expect.stringContaining("going on from the unfinished work")]);
  expect([packing.bytesRead, networks[0]?.packing.bytesRead]).toEqual([0, 0]);
  expect(snapshot(out)).toEqual(snapshot(bundle));
  expect(readdirSync(join(root, "again"))).toEqual(["out"]);
}, 120_000);

it("leaves out what cannot be built, with a remark, unless the pipeline was asked for", async () => {
  const [first] = parts;
  const build = (pipeline?: string) =>
    compileModel(
      {
        ...{ input: model, out: join(root, "alone"), target: "cpu", ternarize: "none", activations: "f32" },
        ...(pipeline === undefined ? {} : { pipeline }),
        onNotice: (text) => notices.push(text),
      },
      () => (first === undefined ? [] : [first]),
    );
  notices.length = 0;
  expect(await build()).toMatchObject({ networks: [], residency: null });
  expect(notices).toEqual([expect.stringMatching(/transformer alone.*lacks text_encoder_2/)]);
  expect(existsSync(join(root, "alone", "pipeline"))).toBe(false);
  await expect(build(model)).rejects.toMatchObject({ code: "TRITC_E_PIPELINE" });
}, 60_000);
