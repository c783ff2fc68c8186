import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { TritcError } from "../ir/errors.js";
import { filesBelow, type Occupant, whatIsThere } from "./bundle/occupant.js";
import { writeFolder } from "./bundle/staging.js";
import { packageRoot } from "./deploy/packages.js";

/** Where the package holds the sample model. */
export const SAMPLE_MODEL = join("dist", "sample-model");

/** What is compressed there. */
const PACKED = ".br";

export interface SampleModelReport {
  readonly out: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
}

/**
 * Writes the sample model, a small FLUX pipeline that draws coloured shapes at 64x64: an ONNX export with tokenizers,
 * text encoders, VAE and scheduler, its transformer distilled to ternary weights. `out` must be new or empty: throws
 * TRITC_E_OUT_EXISTS.
 */
export async function writeSampleModel(out: string): Promise<SampleModelReport> {
  const sample = join(packageRoot(), SAMPLE_MODEL);
  return writeFolder(out, { look: newOrEmpty }, async (work) => {
    await work.begin([]);
    const files = [];
    for (const path of await filesBelow(sample)) {
      const packed = path.endsWith(PACKED);
      const name = packed ? path.slice(0, -PACKED.length) : path;
      const bytes = await readFile(join(sample, path));
      const data = packed ? await promisify(brotliDecompress)(bytes) : bytes;
      await mkdir(dirname(join(work.bundle, name)), { recursive: true });
      await writeFile(join(work.bundle, name), data);
      files.push({ path: name, bytes: data.length });
    }
    return { out, files };
  });
}

async function newOrEmpty(out: string): Promise<Occupant> {
  const found = await whatIsThere(out);
  if (found !== "bundle") return found;
  throw new TritcError({
    code: "TRITC_E_OUT_EXISTS",
    message: "a bundle is at the output path, so the sample model does not go there",
    place: out,
    expected: "a new path or an empty folder",
    found: "a bundle",
    remedy: "choose another path for --out, or remove what is there",
    exitCode: 2,
  });
}
