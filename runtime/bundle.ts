import { TritcError } from "../ir/errors.js";
import { checkAgreement } from "../ir/format/bundle-agreement.js";
import { bundleFileError, checkBundleFile, type FileDigest } from "../ir/format/bundle-file.js";
import {
  MANIFEST_FILE,
  type Manifest,
  type ManifestFile,
  PROGRAM_FILE,
  parseManifest,
  WEIGHTS_FILE,
} from "../ir/format/manifest.js";
import { headerLength, parseHeader, type SafetensorsEntry } from "../ir/format/safetensors.js";
import { parseProgram } from "../ir/program/json.js";
import type { Program } from "../ir/program/program.js";
import type { KernelCode, WeightSource } from "./device.js";

/** Where a bundle's files come from: a folder, or a server. Paths are the manifest's. */
export interface BundleFiles {
  /** A whole file, or undefined if there is none. */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** A byte range of a file. */
  readRange(path: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Size and SHA-256 (lower-case hex) of a file, or undefined if there is none. */
  digest(path: string): Promise<FileDigest | undefined>;
}

/** A bundle whose files are what its manifest says. */
export interface Bundle {
  readonly manifest: Manifest;
  readonly program: Program;
  readonly code: KernelCode;
  readonly weights: WeightSource;
  /** Another file that the manifest lists, checked as it is read; throws TRITC_E_BUNDLE_FILE. */
  readFile(path: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Whether the manifest lists a file. */
  has(path: string): boolean;
  /** The bundle that lies below a path of this one, as this one lists it. Throws the errors of `loadBundle`. */
  openBelow(path: string): Promise<Bundle>;
  /** SHA-256 of manifest.json, which names the hash of every other file: the bundle's identity. */
  readonly hash: string;
}

/**
 * Opens and verifies a bundle before a byte of it reaches a device.
 *
 * Throws TRITC_E_NOT_A_BUNDLE without a manifest, TRITC_E_BUNDLE_VERSION for a newer format,
 * TRITC_E_BUNDLE_FORMAT for malformed metadata, TRITC_E_BUNDLE_FILE for a missing, cut or changed file.
 *
 * @param extent `all` checks every file; `used` only those that a device needs, where the rest (text encoders,
 *   the VAE) would have to be downloaded first
 */
export async function loadBundle(
  files: BundleFiles,
  place: string,
  extent: "all" | "used" = "all",
): Promise<Bundle> {
  const manifestBytes = await files.read(MANIFEST_FILE);
  if (manifestBytes === undefined) {
    throw new TritcError({
      code: "TRITC_E_NOT_A_BUNDLE",
      message: "not a bundle",
      place,
      expected: `a folder with ${MANIFEST_FILE}, as \`tritc compile\` writes it`,
      remedy: "compile the model first: tritc compile <model> --target cpu -o <folder>",
    });
  }
  const manifest = parseManifest(new TextDecoder().decode(manifestBytes), `${place}/${MANIFEST_FILE}`);
  for (const file of manifest.files) {
    // The program and the kernels are checked as they are read.
    if (extent === "all" || file.path === WEIGHTS_FILE) {
      checkBundleFile(await files.digest(file.path), file, place);
    }
  }
  const listed = new Map(manifest.files.map((f) => [f.path, f]));

  /** A listed file, hashed again as it is kept: what was checked is what is used. */
  const readListed = async (path: string): Promise<Uint8Array<ArrayBuffer>> => {
    const entry = listed.get(path);
    const bytes = await files.read(path);
    if (entry === undefined || bytes === undefined) throw bundleFileError(place, path, "is missing", {});
    checkBundleFile({ bytes: bytes.length, sha256: await sha256Hex(bytes) }, entry, place);
    return bytes;
  };
  const text = new TextDecoder().decode(await readListed(PROGRAM_FILE));
  const program = parseProgram(text, `${place}/${PROGRAM_FILE}`);
  const code = await readKernels(manifest, readListed, place);
  const { entries, weights } = await openWeights(files, listed.get(WEIGHTS_FILE), place);
  checkAgreement(manifest, program, entries, place);
  const hash = await sha256Hex(manifestBytes);
  return {
    ...{ manifest, program, code, weights, hash },
    readFile: readListed,
    has: (path) => listed.has(path),
    openBelow(path) {
      const at = (file: string) => `${path}/${file}`;
      const below: BundleFiles = {
        read: async (file) => (listed.has(at(file)) ? readListed(at(file)) : undefined),
        readRange: (file, offset, length) => files.readRange(at(file), offset, length),
        // Hashing gigabytes again would say what is known.
        digest: async (file) => (extent === "all" ? listed.get(at(file)) : files.digest(at(file))),
      };
      return loadBundle(below, `${place}/${path}`, "used");
    },
  };
}

/** Lower-case hex SHA-256, through the Web Crypto that Node and browsers share. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
}

async function readKernels(
  manifest: Manifest,
  read: (path: string) => Promise<Uint8Array<ArrayBuffer>>,
  place: string,
): Promise<KernelCode> {
  const sources = new Map<string, string>();
  const binaries = new Map<string, Uint8Array<ArrayBuffer>>();
  // All at once: from a server each is a round trip.
  await Promise.all(
    manifest.kernels.map(async ({ id, source, binary }) => {
      if (binary === null) sources.set(id, new TextDecoder().decode(await read(source)));
      else binaries.set(id, await read(binary));
    }),
  );
  const found = <T>(map: ReadonlyMap<string, T>, id: string, form: string): T => {
    const value = map.get(id);
    if (value === undefined) throw bundleFileError(place, `kernels/${id}`, `has no ${form}`, {});
    return value;
  };
  return {
    source: (id) => found(sources, id, "source"),
    binary: (id) => {
      if (sources.has(id)) throw sourceOnly(place, id);
      return found(binaries, id, "binary");
    },
  };
}

/** A bundle of `--emit source` on a device that takes binaries. */
function sourceOnly(place: string, id: string): TritcError {
  return new TritcError({
    code: "TRITC_E_BUNDLE_SOURCE",
    message: "the bundle holds its kernels as sources only",
    place: `${place}/kernels/${id}`,
    expected: "compiled kernels",
    remedy: "compile the model again without --emit source, on a machine that has the CUDA toolkit",
  });
}

async function openWeights(
  files: BundleFiles,
  listed: ManifestFile | undefined,
  place: string,
): Promise<{ readonly entries: ReadonlyMap<string, SafetensorsEntry>; readonly weights: WeightSource }> {
  const path = `${place}/${WEIGHTS_FILE}`;
  if (listed === undefined) throw bundleFileError(place, WEIGHTS_FILE, "is not in the manifest", {});
  const head = await files.readRange(WEIGHTS_FILE, 0, Math.min(8, listed.bytes));
  const end = 8 + headerLength(head, listed.bytes, path);
  const { entries } = parseHeader(await files.readRange(WEIGHTS_FILE, 0, end), listed.bytes, path);
  const weights: WeightSource = {
    async bytes(tensor) {
      const entry = entries.get(tensor);
      if (entry === undefined) throw bundleFileError(place, WEIGHTS_FILE, `lacks the tensor ${tensor}`, {});
      return files.readRange(WEIGHTS_FILE, entry.offset, entry.length);
    },
  };
  return { entries, weights };
}
