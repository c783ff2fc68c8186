import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import onnxProto from "onnx-proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import { openPipelineModels, type PipelineModels } from "../../runtime/node/pipeline-models.js";
import { makeNoise } from "../../runtime/noise.js";

const SHAPES = "test/models/shapes";
const { TensorProto, ModelProto, AttributeProto } = onnxProto.onnx;

let root = "";
let models: PipelineModels;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tritc-pipeline-"));
  models = await openPipelineModels(SHAPES, { threads: 1 });
});
afterAll(async () => {
  await models.close();
  await rm(root, { recursive: true });
});

/** A copy of the small pipeline without its transformer and evaluation set. */
async function copyOfShapes(name: string): Promise<string> {
  const path = join(root, name);
  await cp(SHAPES, path, { recursive: true, filter: (from) => !/transformer|eval|README/.test(from) });
  return path;
}

/** A text encoder as an odd exporter may write it: int32 ids in, half floats out, other output names (`summary`: that of rank 2). */
function oddEncoder(tokens: number, rank: 2 | 3, summary = "half"): Uint8Array {
  const tensor = (name: string, elemType: number, shape: readonly number[]) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
  });
  const cast = {
    opType: "Cast",
    input: ["input_ids"],
    output: [summary],
    attribute: [{ name: "to", type: AttributeProto.AttributeType.INT, i: TensorProto.DataType.FLOAT16 }],
  };
  const unsqueeze = { opType: "Unsqueeze", input: [summary, "axes"], output: ["states"] };
  return ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "encoder",
      node: rank === 2 ? [cast] : [cast, unsqueeze],
      initializer:
        rank === 2 ? [] : [{ name: "axes", dims: [1], dataType: TensorProto.DataType.INT64, int64Data: [2] }],
      input: [tensor("input_ids", TensorProto.DataType.INT32, [1, tokens])],
      output: [
        rank === 2
          ? tensor(summary, TensorProto.DataType.FLOAT16, [1, tokens])
          : tensor("states", TensorProto.DataType.FLOAT16, [1, tokens, 1]),
      ],
    },
  }).finish();
}

describe("openPipelineModels", () => {
  it("encodes prompts at the model's sizes, and each prompt once", async () => {
    const red = await models.encode("a photo of a red circle");
    const blue = await models.encode("a photo of a blue circle");
    expect(red).toMatchObject({ pooledWidth: 64, contextTokens: 12, contextWidth: 128 });
    expect([red.pooled.length, red.context.length]).toEqual([64, 12 * 128]);
    expect(red.context.every(Number.isFinite)).toBe(true);
    expect(red.context).not.toEqual(blue.context);
    expect(red.pooled).not.toEqual(blue.pooled);
    expect(await models.encode("a photo of a red circle")).toBe(red);
    // Words that the model does not know are padding to its tokenizer.
    expect((await models.encode("unheard-of")).pooled.every(Number.isFinite)).toBe(true);
    const [first, second] = await Promise.all([models.encode("a ring"), models.encode("a ring")]);
    expect(first).toBe(second);
  });

  it("reads the scheduler and the VAE's factors", () => {
    expect(models.schedulerConfig.useDynamicShifting).toBe(true);
    expect(models.vaeConfig).toMatchObject({ latentChannels: 16, vaeScale: 8 });
    expect(models.vaeConfig.scalingFactor).toBeCloseTo(1.0481267, 6);
    expect(models.vaeConfig.shiftFactor).toBeCloseTo(-0.1153965, 6);
  });

  it("decodes packed latents to 8-bit pixels", async () => {
    const picture = await models.decode(makeNoise(1, 1024), 64, 64);
    expect([picture.width, picture.height, picture.rgb.length]).toEqual([64, 64, 64 * 64 * 3]);
    expect(new Set(picture.rgb).size).toBeGreaterThan(16);
    expect(await models.decode(makeNoise(1, 1024), 64, 64)).toEqual(picture);
  });

  it("refuses latents that are not finite or not of the size", async () => {
    const latents = makeNoise(1, 1024);
    latents[77] = Number.NaN;
    await expect(models.decode(latents, 64, 64)).rejects.toThrow(/latents[\s\S]*NaN at 77 of 1024/);
    await expect(models.decode(makeNoise(1, 1000), 64, 64)).rejects.toThrow(TritcError);
    await expect(models.decode(makeNoise(1, 1024), 64, 65)).rejects.toThrow(/width/);
  });

  it("takes int32 ids, half floats, other output names and a length fixed by the graph", async () => {
    const path = await copyOfShapes("odd");
    await writeFile(join(path, "text_encoder", "model.onnx"), oddEncoder(9, 2));
    await writeFile(join(path, "text_encoder_2", "model.onnx"), oddEncoder(10, 3));
    const odd = await openPipelineModels(path);
    const encoded = await odd.encode("a photo of a red ring");
    expect([...encoded.pooled]).toEqual([1, 2, 3, 1, 5, 16, 0, 0, 0]);
    expect([...encoded.context]).toEqual([1, 2, 3, 1, 5, 16, 0, 0, 0, 0]);
    expect(encoded).toMatchObject({ contextTokens: 10, contextWidth: 1, pooledWidth: 9 });
    await odd.close();
  });

  it("refuses a summary that went through CLIP's projection", async () => {
    const path = await copyOfShapes("projected");
    await writeFile(join(path, "text_encoder", "model.onnx"), oddEncoder(9, 2, "text_embeds"));
    const projected = await openPipelineModels(path);
    await expect(projected.encode("a photo of a red ring")).rejects.toMatchObject({
      code: "TRITC_E_PIPELINE_MODEL",
      message: expect.stringMatching(/text_embeds/),
    });
    await projected.close();
  });

  it.each([
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer.json",
    "tokenizer_2/tokenizer_config.json",
    "text_encoder/model.onnx",
    "text_encoder_2/model.onnx",
    "vae_decoder/model.onnx",
    "vae_decoder/config.json",
  ])("names a missing %s and what to do", async (file) => {
    const path = await copyOfShapes(`missing-${file.replaceAll("/", "-")}`);
    await rm(join(path, file));
    const opening = openPipelineModels(path);
    await expect(opening).rejects.toBeInstanceOf(TritcError);
    await expect(opening).rejects.toThrow(file);
    await expect(opening).rejects.toThrow(/try: .*optimum-cli/);
  });

  it("looks for the VAE's encoder where pictures go in", async () => {
    await expect(openPipelineModels(SHAPES, { pictures: true })).rejects.toThrow(/vae_encoder\/model\.onnx/);
  });

  it("refuses another pipeline, broken JSON, and a damaged network when it is used", async () => {
    const path = await copyOfShapes("broken");
    const index = await readFile(join(path, "model_index.json"), "utf8");
    await writeFile(join(path, "model_index.json"), '{"_class_name": "StableDiffusion3Pipeline"}');
    await expect(openPipelineModels(path)).rejects.toThrow(/FluxPipeline[\s\S]*StableDiffusion3/);
    await writeFile(join(path, "model_index.json"), "{");
    await expect(openPipelineModels(path)).rejects.toThrow(/model_index\.json/);
    await writeFile(join(path, "model_index.json"), index);
    await writeFile(join(path, "text_encoder", "model.onnx"), "not a model");
    const broken = await openPipelineModels(path);
    await expect(broken.encode("a ring")).rejects.toThrow(/text_encoder\/model\.onnx/);
    await broken.close();
  });
});
