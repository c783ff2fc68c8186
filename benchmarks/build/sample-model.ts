import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { halveWeights } from "./half-weights.js";

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

/** The largest of them after the transformer: its weights lie in the package as f16. */
const HALVED = "vae_decoder/model.onnx";

/** Puts what `tritc sample-model` writes into a folder of the package. */
export async function layOutSample(models: string, out: string): Promise<void> {
  for (const [model, parts] of Object.entries(SAMPLE)) {
    for (const part of parts) await cp(join(models, model, part), join(out, part), { recursive: true });
  }
  const halved = join(out, HALVED);
  await writeFile(halved, halveWeights(await readFile(halved)));
}
