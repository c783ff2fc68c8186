import type { Dice } from "../mutate.js";
import { type Mutation, mutateDocument } from "./mutate.js";

const FILE = "weights.safetensors";

/** Changes the header of the weight file, or what it says of its own length, or the file's end. */
export function mutateWeights(files: Map<string, Uint8Array<ArrayBuffer>>, roll: Dice): Mutation {
  const bytes = files.get(FILE) ?? new Uint8Array();
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const kind = roll(4);
  if (kind === 0) {
    const cut =
      roll(2) === 0
        ? bytes.slice(0, bytes.length - 1 - roll(64))
        : Uint8Array.of(...bytes, ...bytes.slice(-8));
    files.set(FILE, cut);
    return { file: FILE, path: [], what: `${bytes.length} bytes → ${cut.length}` };
  }
  const header = kind === 1 ? undefined : headerOf(bytes, length);
  if (header === undefined) {
    const at = roll(Math.min(8 + length, bytes.length));
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ (1 << roll(8));
    files.set(FILE, flipped);
    return { file: FILE, path: [at], what: "a bit of the header" };
  }
  const mutation = mutateDocument(header, roll, FILE);
  const text = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + bytes.length - 8 - length);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(bytes.subarray(8 + length), 8 + text.length);
  files.set(FILE, out);
  return mutation;
}

/** The header as JSON; undefined where an earlier change has made something else of it. */
function headerOf(bytes: Uint8Array, length: number): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  } catch {
    return undefined;
  }
}
