import { closeSync, fstatSync, readSync } from "node:fs";
import { TritcError } from "../ir/errors.js";
import { openRegular } from "./regular-file.js";
import { requireBytes } from "./sparse-files.js";

/** What a file is by its first bytes; `other` may be ONNX, which has no signature. */
export type FileKind =
  | "safetensors"
  | "GGUF file"
  | "PyTorch pickle"
  | "zip archive"
  | "gzip archive"
  | "HDF5 file"
  | "Git LFS pointer"
  | "other";

const HEAD_BYTES = 64;
/** The format's own limit on its JSON header. */
const MOST_HEADER_BYTES = 100_000_000n;
const ZIP = "PK\x03\x04";
const SIGNATURES: readonly (readonly [FileKind, string])[] = [
  ["GGUF file", "GGUF"],
  ["gzip archive", "\x1f\x8b\x08"],
  ["HDF5 file", "\x89HDF\r\n\x1a\n"],
  ["Git LFS pointer", "version https://git-lfs"],
];

/** Looks at a regular file's first bytes. Its name says nothing: safetensors are also called `.sft`. */
export function fileKind(file: string): FileKind {
  const head = Buffer.alloc(HEAD_BYTES);
  const fd = openRegular(file);
  try {
    requireBytes(file, 0, Math.min(HEAD_BYTES, fstatSync(fd).size));
    return kindOf(head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0)));
  } finally {
    closeSync(fd);
  }
}

function kindOf(head: Buffer): FileKind {
  const text = head.toString("latin1");
  const signed = SIGNATURES.find(([, signature]) => text.startsWith(signature));
  if (signed !== undefined) return signed[0];
  // torch.save writes a zip whose first member is `<name>/data.pkl`; its older form is a bare pickle.
  if (text.startsWith(ZIP)) return text.includes("data.pkl") ? "PyTorch pickle" : "zip archive";
  if (head[0] === 0x80 && head[1] !== undefined && head[1] >= 2 && head[1] <= 5) return "PyTorch pickle";
  const isHeader = head.length > 8 && head[8] === 0x7b && head.readBigUInt64LE(0) <= MOST_HEADER_BYTES;
  return isHeader ? "safetensors" : "other";
}

const REMEDIES: Readonly<Partial<Record<FileKind, string>>> = {
  "GGUF file": "give a model by the path of the file itself, an adapter as safetensors",
  "PyTorch pickle": "save it again as safetensors; reading a pickle runs what its author wrote into it",
  "Git LFS pointer": "download the file itself: `git lfs pull`",
};

/** Whether tensors can be read from files of a kind. */
export function isWeightKind(kind: FileKind): boolean {
  return kind === "safetensors" || kind === "GGUF file";
}

/** Refuses a file that is of a known kind which is not read. Throws TRITC_E_FILE_KIND. */
export function refuseKind(file: string, kind: FileKind, expected: string): void {
  if (kind === "safetensors" || kind === "other") return;
  throw new TritcError({
    code: "TRITC_E_FILE_KIND",
    place: file,
    message: "the file is of a kind that is not read",
    expected,
    found: kind,
    remedy: REMEDIES[kind] ?? "unpack it, and give the file or folder that was inside",
  });
}
