import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { TritcError } from "../../ir/errors.js";
import type { Tensor } from "../../ir/tensor.js";
import { type Bundle, type BundleFiles, loadBundle } from "../bundle.js";
import { evaluateBundle } from "../evaluate.js";
import { type OpenDeviceOptions, openDevice } from "./open-device.js";
import { openRegular, readInto, readRegular } from "./regular-file.js";

/** A verified bundle and the folder it lies in. */
export interface OpenedBundle extends Bundle {
  readonly folder: string;
  /**
   * Looks once more at the files below a folder of the bundle, before they go to somebody who opens them by path: throws
   * TRITC_E_BUNDLE_FILE for one that the manifest does not list, and for one that was written to since it was hashed.
   */
  checkBelow(path: string): Promise<void>;
}

/** Opens a bundle folder; every file's size and hash is checked first. See `loadBundle` for the errors. */
export async function openBundle(folder: string): Promise<OpenedBundle> {
  const hashed = new Map<string, Hashed>();
  const files = folderFiles(folder, hashed);
  const bundle = await loadBundle(files, folder);
  return { ...bundle, folder, checkBelow: (path) => checkBelow({ folder, hashed, files }, path) };
}

/** A file as it was hashed. */
interface Hashed {
  readonly look: string;
  readonly sha256: string;
}

interface Checked {
  readonly folder: string;
  readonly hashed: Map<string, Hashed>;
  readonly files: Pick<BundleFiles, "digest">;
}

async function checkBelow(checked: Checked, path: string): Promise<void> {
  const { folder, hashed, files } = checked;
  for (const entry of await readdir(join(folder, path))) {
    const below = `${path}/${entry}`;
    const info = await stat(join(folder, below), { bigint: true });
    if (info.isDirectory()) {
      await checkBelow(checked, below);
      continue;
    }
    const known = hashed.get(below);
    if (known?.look === lookOf(info)) continue;
    // Whoever makes a bundle that shares the file, as the tuner does, changes its number of links and no byte.
    if (known !== undefined) {
      if ((await files.digest(below))?.sha256 === known.sha256) continue;
      hashed.set(below, known);
    }
    throw new TritcError({
      code: "TRITC_E_BUNDLE_FILE",
      message:
        known === undefined
          ? "the bundle's file is not in the manifest"
          : "the bundle's file was changed after it was opened",
      place: join(folder, below),
      remedy:
        known === undefined
          ? "move the file out of the bundle"
          : "make sure that nothing writes to the bundle, and open it again",
    });
  }
}

/** What tells whether a file was written to: its time of change cannot be set back. */
function lookOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

/** One forward pass through a bundle's kernels; opens and frees the device. */
export async function evaluateFolder(
  folder: string,
  inputs: Readonly<Record<string, Tensor>>,
  options: OpenDeviceOptions = {},
): Promise<Record<string, Tensor>> {
  const bundle = await openBundle(folder);
  const device = await openDevice(bundle.program.target, options);
  try {
    const loaded = await device.load(bundle.program, bundle.code, bundle.weights, {
      promptWeights: bundle.manifest.memory.promptWeights,
    });
    try {
      const outputs = await evaluateBundle(loaded, bundle.program, new Map(Object.entries(inputs)));
      return Object.fromEntries(outputs);
    } finally {
      await loaded.close();
    }
  } finally {
    await device.close();
  }
}

/** Files that are read as a whole are texts and kernels; FLUX.1-dev's largest is below 10 MB. */
const MOST_WHOLE_BYTES = 1 << 28;
/** Bytes up to which a file is hashed in one piece; larger ones stream. */
const SMALL_FILE = 1 << 20;

/** `hashed` takes what each file that is hashed looks like. */
function folderFiles(folder: string, hashed: Map<string, Hashed>): BundleFiles {
  return {
    async read(path) {
      try {
        return await readRegular(join(folder, path), MOST_WHOLE_BYTES);
      } catch (error) {
        return absent(error, join(folder, path));
      }
    },
    async readRange(path, offset, length) {
      const file = await openRegular(join(folder, path));
      try {
        const bytes = new Uint8Array(length);
        if ((await readInto(file, bytes, offset)) < length) throw truncated(join(folder, path));
        return bytes;
      } finally {
        await file.close();
      }
    },
    async digest(path) {
      const full = join(folder, path);
      try {
        const file = await openRegular(full);
        try {
          const info = await file.stat({ bigint: true });
          const size = Number(info.size);
          const hash = createHash("sha256");
          if (size <= SMALL_FILE) {
            const bytes = new Uint8Array(size);
            hash.update(bytes.subarray(0, await readInto(file, bytes, 0)));
          } else await pipeline(file.createReadStream({ autoClose: false, end: size - 1 }), hash);
          const sha256 = hash.digest("hex");
          hashed.set(path, { look: lookOf(info), sha256 });
          return { bytes: size, sha256 };
        } finally {
          await file.close();
        }
      } catch (error) {
        return absent(error, full);
      }
    },
  };
}

/** undefined for a file that does not exist; any other failure to read is an error. */
function absent(error: unknown, path: string): undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
  if (error instanceof TritcError) throw error;
  throw new TritcError({
    code: "TRITC_E_FILE_READ",
    message: "the file cannot be read",
    place: path,
    found: error instanceof Error ? error.message : String(error),
    remedy: "check that the file may be read",
    cause: error,
  });
}

function truncated(path: string): TritcError {
  return new TritcError({
    code: "TRITC_E_BUNDLE_FILE",
    message: "the file became shorter while it was read",
    place: path,
    remedy: "make sure that nothing writes to the bundle, and copy or compile it again",
  });
}
