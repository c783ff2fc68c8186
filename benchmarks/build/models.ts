import { cp, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

/** Weights that the repository holds compressed, because ternary codes in bytes are three quarters air. */
const PACKED = ["shapes-distilled", "shapes-ternary"].map((model) => `${model}/transformer/model.onnx_data`);

/** The sample model: the transformer that `tritc distill` made ternary, its weights compressed, and the other parts of its pipeline. */
const SAMPLE = {
  "shapes-distilled": [
    "transformer/config.json",
    "transformer/inputs.safetensors",
    "transformer/expected.safetensors",
    "transformer/model.onnx",
    "transformer/model.onnx_data.br",
  ],
  shapes: [
    "model_index.json",
    "scheduler",
    "text_encoder",
    "text_encoder_2",
    "tokenizer",
    "tokenizer_2",
    "vae_decoder",
  ],
} as const;

/** Unpacks the models' compressed weights beside themselves, where that has not been done yet. */
export async function unpackModels(models: string): Promise<void> {
  for (const file of PACKED) {
    const path = join(models, file);
    const packed = `${path}.br`;
    const [source, unpacked] = await Promise.all([stat(packed), stat(path).catch(() => undefined)]);
    if (unpacked !== undefined && unpacked.mtimeMs >= source.mtimeMs) continue;
    const temporary = `${path}.${process.pid}.tmp`;
    await writeFile(temporary, await promisify(brotliDecompress)(await readFile(packed)));
    await rename(temporary, path);
  }
}

/** Puts what `tritc sample-model` writes into a folder of the package. */
export async function layOutSample(models: string, out: string): Promise<void> {
  for (const [model, parts] of Object.entries(SAMPLE)) {
    for (const part of parts) await cp(join(models, model, part), join(out, part), { recursive: true });
  }
}
