import { basename, resolve } from "node:path";
import { checkFilePath, writeFileAtomic } from "../atomic-file.js";
import { refuseNested } from "../bundle/staging.js";
import type { CommonOptions } from "./options.js";
import { Terminal } from "./terminal.js";
import { usageError } from "./usage-error.js";

/** The path that means standard input or output. */
export const STANDARD = "-";

/** What a command writes as one file, and the endings that say so. */
const FORMATS = {
  PNG: [".png"],
  safetensors: [".safetensors", ".sft"],
  HTML: [".html", ".htm"],
  "JSON lines": [".jsonl"],
  "tar.gz": [".tar.gz", ".tgz"],
} as const;

/** Endings that promise what no command writes. */
const OTHERS = [
  ...[".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".jxl", ".svg", ".ppm"],
  ...[
    ".bin",
    ".ckpt",
    ".gguf",
    ".npy",
    ".npz",
    ".onnx",
    ".pt",
    ".pth",
    ".pkl",
    ".json",
    ".csv",
    ".txt",
    ".md",
  ],
  ...[".pdf", ".zip", ".tar", ".gz", ".xz", ".zst", ".bz2", ".7z", ".mp4", ".mov", ".webm"],
];

interface OutputRequest extends CommonOptions {
  readonly out: string;
}

/** Where a command's one file goes: to a path, or to standard output. */
export class Output {
  readonly #options: OutputRequest;

  private constructor(options: OutputRequest) {
    this.#options = options;
  }

  /** Refuses, before any work, a place that cannot be written, is in a bundle, or promises another format. */
  static async open(options: OutputRequest, format: keyof typeof FORMATS, option = "--out"): Promise<Output> {
    if (options.out === STANDARD) checkStandard(options, option);
    else {
      checkEnding(options.out, format);
      await checkFilePath(options.out);
      await refuseNested(resolve(options.out), option);
    }
    return new Output(options);
  }

  /** Writes all of it, and gives its size. */
  async write(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<number> {
    const { out, io } = this.#options;
    let size = 0;
    const copy = async (write: (chunk: Uint8Array) => unknown) => {
      for await (const chunk of chunks) {
        await write(chunk);
        size += chunk.length;
      }
    };
    if (out === STANDARD) await copy((chunk) => io.stdout.write(chunk));
    else await writeFileAtomic(out, (file) => copy((chunk) => file.writeFile(chunk)));
    return size;
  }

  /** What the command found out beside the file; it makes way for a file on standard output. */
  result(value: unknown, text: string): void {
    const terminal = new Terminal(this.#options);
    if (this.#options.out === STANDARD) terminal.note(text);
    else terminal.result(value, text);
  }

  /** What was written, which the file itself says too: `--quiet` leaves it out. */
  summary(value: unknown, text: string): void {
    if (this.#options.json === true || this.#options.quiet !== true) this.result(value, text);
  }
}

/** Refuses `-` for what is a folder. */
export function checkFolderPath(out: string): void {
  if (out !== STANDARD) return;
  throw usageError({
    message: "a folder cannot be written to standard output",
    place: "--out",
    found: STANDARD,
    remedy: "name a folder, such as -o ./out",
  });
}

function checkStandard({ json, io }: OutputRequest, option: string): void {
  if (json === true) {
    throw usageError({
      message: "standard output cannot take both the file and the JSON document",
      place: `${option} -`,
      remedy: "leave --json out, or write to a file",
    });
  }
  if (io.stdout.isTTY === true) {
    throw usageError({
      message: "the file would be written to the terminal",
      place: `${option} -`,
      remedy: "send standard output to a file or another program, or name a file",
    });
  }
}

function checkEnding(path: string, format: keyof typeof FORMATS): void {
  const name = basename(path).toLowerCase();
  const own: readonly string[] = FORMATS[format];
  if (own.some((ending) => name.endsWith(ending))) return;
  const others = [...OTHERS, ...Object.values(FORMATS).flat()];
  const other = others.find((ending) => name.endsWith(ending));
  if (other === undefined) return;
  throw usageError({
    message: `this command writes ${format}, no other format`,
    place: path,
    expected: `a name ending in ${own.join(" or ")}`,
    found: other,
    remedy: `write ${own[0]} and convert that`,
  });
}
