import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fluxSize, synthesizeFlux, WEIGHTS_NAME } from "../../benchmarks/synthesize/flux.js";
import { writeSyntheticWeights } from "../../benchmarks/synthesize/weights.js";

/** Writes three blocks of FLUX.1-dev at a quarter of its width, 74 MB in bf16, to be packed by threads. Returns its folder. */
export async function writeReducedFlux(folder: string, seed = 0): Promise<string> {
  const size = { ...fluxSize(1, 2), heads: 6, mlp: 2048, contextDim: 512 };
  const { onnx, tensors, bytes } = synthesizeFlux("dev", size);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "model.onnx"), onnx);
  const file = await open(join(folder, WEIGHTS_NAME), "w");
  try {
    await file.truncate(bytes);
    await writeSyntheticWeights(file, tensors, seed, () => undefined);
  } finally {
    await file.close();
  }
  return folder;
}
