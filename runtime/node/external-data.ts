/** ONNX Runtime opens whatever file a model names for its tensors; here those are read, and held against its folder, first. */
import { readSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, sep, win32 } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { openRegular } from "./regular-file.js";

/** Protobuf messages of an ONNX file that lead to tensors: field number → the message in it. */
type Message =
  | "model"
  | "training"
  | "graph"
  | "function"
  | "node"
  | "attribute"
  | "sparse"
  | "tensor"
  | "entry";
const CHILDREN: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: "graph", 20: "training", 25: "function" },
  training: { 1: "graph", 2: "graph" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  function: { 7: "node", 11: "attribute" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: { 13: "entry" },
  entry: {},
};
const [KEY, VALUE] = [1, 2];
const MAX_DEPTH = 200;
/** Of a file name in a model. */
const MAX_TEXT = 1 << 16;
const WINDOW = 1 << 16;

/**
 * Checks that all files which an ONNX file names for its tensors lie in its folder or below it, by their names and where
 * links lead; links may also lead to where the model's own does, as in Hugging Face's cache.
 * Throws TRITC_E_ONNX_EXTERNAL_DATA, TRITC_E_ORT for what is no protobuf, and what the operating system reports.
 */
export async function checkExternalData(path: string): Promise<void> {
  const folder = dirname(path);
  let homes: readonly string[] | undefined;
  for (const location of await locationsIn(path)) {
    if (location === "" || /[\0]/.test(location)) throw refused(path, location, "is not a file name");
    if (isAbsolute(location) || win32.isAbsolute(location) || /^[A-Za-z]:/.test(location))
      throw refused(path, location, "is an absolute path");
    if (location.split(/[/\\]/).includes(".."))
      throw refused(path, location, 'leads out of the folder through ".."');
    const file = join(folder, location);
    const info = await stat(file).catch(() => undefined);
    if (info?.isFile() !== true)
      throw refused(path, location, info === undefined ? "does not exist" : "is not a file");
    homes ??= [await realpath(folder), dirname(await realpath(path))];
    const real = await realpath(file);
    if (!homes.some((home) => isBelow(real, home)))
      throw refused(path, location, "is a link that leads out of the folder");
  }
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

async function locationsIn(path: string): Promise<ReadonlySet<string>> {
  const file = await openRegular(path);
  try {
    const locations = new Set<string>();
    const { size } = await file.stat();
    walk(new Fields(file.fd, size), "model", 0, size, 0, locations);
    return locations;
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new TritcError({
      code: "TRITC_E_ORT",
      message: "this is not an ONNX file",
      place: path,
      expected: "a protobuf",
      found: cause.message,
      remedy: "check that the file is complete, or export the model again",
      cause,
    });
  } finally {
    await file.close();
  }
}

function walk(
  fields: Fields,
  message: Message,
  begin: number,
  end: number,
  depth: number,
  locations: Set<string>,
): void {
  if (depth > MAX_DEPTH) throw new RangeError(`messages within messages, ${depth} deep`);
  const texts: { readonly number: number; readonly text: string }[] = [];
  for (let at = begin; at < end; ) {
    const field = fields.field(at, end);
    at = field.end;
    if (!field.delimited) continue;
    const child = CHILDREN[message][field.number];
    if (child !== undefined) walk(fields, child, field.begin, field.end, depth + 1, locations);
    else if (message === "entry")
      texts.push({ number: field.number, text: fields.text(field.begin, field.end) });
  }
  // Fields may come twice, and readers differ in which of them holds: all do here.
  if (texts.some(({ number, text }) => number === KEY && text === "location"))
    for (const { number, text } of texts) if (number === VALUE) locations.add(text);
}

/** Protobuf fields of a file, read through a small window. Errors are RangeErrors. */
class Fields {
  #window: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(
    private readonly fd: number,
    private readonly size: number,
  ) {}

  /** The field whose tag is at `at`: where its content begins and ends. */
  field(at: number, limit: number) {
    const [tag, content] = this.#varint(at, limit);
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === 2) {
      const [length, begin] = this.#varint(content, limit);
      if (begin + length > limit)
        throw new RangeError(`a field of ${length} bytes leaves its message, at byte ${at}`);
      return { number, delimited: true, begin, end: begin + length };
    }
    const end = wire === 0 ? this.#varint(content, limit)[1] : content + ({ 1: 8, 5: 4 }[wire] ?? Number.NaN);
    if (!(end <= limit))
      throw new RangeError(`a field of wire type ${wire} that is none or leaves its message, at byte ${at}`);
    return { number, delimited: false, begin: content, end };
  }

  text(begin: number, end: number): string {
    if (end - begin > MAX_TEXT) throw new RangeError(`a name of ${end - begin} bytes, at byte ${begin}`);
    return new TextDecoder().decode(this.#read(begin, end));
  }

  /** A varint (as a number: exact below 2^53) and where it ends. */
  #varint(at: number, limit: number): readonly [number, number] {
    let value = 0;
    for (let k = 0; k < 10; k++) {
      if (at + k >= limit) throw new RangeError(`a number leaves its message, at byte ${at}`);
      const byte = this.#byte(at + k);
      value += (byte & 127) * 2 ** (7 * k);
      if (byte < 128) return [value, at + k + 1];
    }
    throw new RangeError(`a number of more than 10 bytes, at byte ${at}`);
  }

  #byte(at: number): number {
    if (at < this.#start || at >= this.#start + this.#window.length) {
      this.#window = this.#read(at, Math.min(this.size, at + WINDOW));
      this.#start = at;
    }
    return this.#window[at - this.#start] ?? 0;
  }

  #read(begin: number, end: number): Uint8Array {
    const bytes = new Uint8Array(end - begin);
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(this.fd, bytes, done, bytes.length - done, begin + done);
      if (count === 0) throw new RangeError(`the file ends at byte ${begin + done}`);
      done += count;
    }
    return bytes;
  }
}

function refused(path: string, location: string, what: string): TritcError {
  return new TritcError({
    code: "TRITC_E_ONNX_EXTERNAL_DATA",
    message: `a file that the model names for its tensors ${what}`,
    place: path,
    expected: "a file in the folder of the model, or below it",
    found: location,
    remedy: "put all files of the model into one folder, or export it again",
  });
}
