/** Files of which some bytes are here: whoever reads others gets an error, and the file knows of it. */
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileKind } from "../../compiler/file-kind.js";
import { fileReader } from "../../compiler/file-reader.js";
import { FileWindow } from "../../compiler/onnx/file-window.js";
import { readRegularText } from "../../compiler/regular-file.js";
import { joinSpans, mapAsking, SparseFile } from "../../compiler/sparse-files.js";

const SIZE = 1 << 20;
let folder: string;
let path: string;
let sparse: SparseFile;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tritc-sparse-"));
  path = join(folder, "file");
  const file = openSync(path, "w");
  ftruncateSync(file, SIZE);
  writeSync(file, "GGUF and more", 1000);
  closeSync(file);
  sparse = new SparseFile(path);
});
afterEach(() => {
  sparse.release();
  rmSync(folder, { recursive: true });
});

const refused = { code: "TRITC_E_FILE_READ", message: expect.stringMatching(/were not downloaded/) };

function reading(file: string, offset: number, length: number): string {
  const reader = fileReader();
  try {
    return Buffer.from(reader.read(file, offset, length)).toString();
  } finally {
    reader.close();
  }
}

describe("bytes that are not here", () => {
  it("are refused to every reader, by any name of the file", () => {
    const window = new FileWindow(path);
    try {
      const readers = [
        () => reading(path, 4, 10),
        () => reading(relative(process.cwd(), path), 1000, 3),
        () => fileKind(path),
        () => readRegularText(path, SIZE),
        () => window.read(500, 600),
        () => window.field(2000, SIZE),
      ];
      for (const read of readers) expect(read).toThrow(expect.objectContaining(refused));
    } finally {
      window.close();
    }
    expect(sparse.missed).toEqual([
      { begin: 4, end: 14 },
      { begin: 1000, end: 1003 },
      { begin: 0, end: 64 },
      { begin: 0, end: SIZE },
      { begin: 500, end: 600 },
      { begin: 2000, end: 2000 + (1 << 16) },
    ]);
  });

  it("are those of which one is not", () => {
    sparse.add({ begin: 1000, end: 1004 });
    sparse.add({ begin: 1005, end: 1010 });
    expect(reading(path, 1000, 4)).toBe("GGUF");
    expect(() => reading(path, 1000, 10)).toThrow(expect.objectContaining(refused));
    expect(() => reading(path, 999, 2)).toThrow(expect.objectContaining(refused));
    sparse.add({ begin: 1004, end: 1005 });
    expect(reading(path, 1000, 10)).toBe("GGUF and m");
    expect(reading(path, 5000, 0)).toBe("");
    expect(sparse.missed.length).toBe(2);
  });

  it("are what the system says once it is released", () => {
    sparse.release();
    expect(reading(path, 998, 6)).toBe("\0\0GGUF");
  });

  it("are asked for by all work at once", () => {
    sparse.add({ begin: 1000, end: 1004 });
    const read = (offset: number) => reading(path, offset, 4);
    expect(() => mapAsking([0, 1000, 8, 16], read)).toThrow(expect.objectContaining(refused));
    expect(sparse.missed.map(({ begin }) => begin)).toEqual([0, 8, 16]);
    expect(mapAsking([1000], read)).toEqual(["GGUF"]);
    const failing = () => {
      throw new RangeError("other");
    };
    expect(() => mapAsking([1], failing)).toThrow(RangeError);
  });
});

it("every module that reads descriptors asks for the bytes first, but the packers', which never see such files", () => {
  const compiler = join(import.meta.dirname, "../../compiler");
  const reading = readdirSync(compiler, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .filter((file) => /\breadSync\(/.test(readFileSync(join(compiler, file), "utf8")));
  const asks = (file: string) => /\brequireBytes\(/.test(readFileSync(join(compiler, file), "utf8"));
  expect(reading.filter(asks).length).toBeGreaterThan(3);
  expect(reading.filter((file) => !asks(file))).toEqual([join("pack", "row-packer.ts")]);
});

it("joins spans that lie close together", () => {
  const spans = [
    { begin: 50, end: 60 },
    { begin: 0, end: 10 },
    { begin: 5, end: 7 },
    { begin: 20, end: 30 },
  ];
  expect(joinSpans(spans, 0)).toEqual([
    { begin: 0, end: 10 },
    { begin: 20, end: 30 },
    { begin: 50, end: 60 },
  ]);
  expect(joinSpans(spans, 10)).toEqual([
    { begin: 0, end: 30 },
    { begin: 50, end: 60 },
  ]);
  expect(joinSpans([], 10)).toEqual([]);
});
