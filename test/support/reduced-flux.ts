import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fluxSize, synthesizeFlux, WEIGHTS_NAME } from "../../benchmarks/synthesize/flux.js";
import { writeSyntheticWeights } from "../../benchmarks/synthesize/weights.js";

/** Writes FLUX.1-dev at an eighth of its width, 40 MB in bf16: as large as to be packed by threads. Returns its folder. */
export async function writeReducedFlux(folder: string, seed = 0): Promise<string> {
  const size = { ...fluxSize(2, 4), heads: 3, mlp: 1536, contextDim: 512 };
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
