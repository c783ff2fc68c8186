import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

/** Weights that the repository holds compressed, because ternary codes in bytes are three quarters air. */
const PACKED = ["shapes-distilled", "shapes-ternary"].map((model) => `${model}/transformer/model.onnx_data`);

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
