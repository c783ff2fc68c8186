import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mutateJson } from "../../test/support/mutate.js";
import type { Dice } from "./dice.js";

type Header = Record<string, { dtype?: string; shape?: number[]; data_offsets?: number[] }>;

const DTYPES = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "U8", "BOOL", "X"] as const;
const NUMBERS = [-1, 0, 1, 2, 3, 8, 64, 2 ** 31, 2 ** 53, 0.5] as const;

/** Copies a Diffusers folder into an empty one, with one or two changes of its config, index or headers. */
export function copyChanged(from: string, to: string, roll: Dice): void {
  cpSync(from, to, { recursive: true });
  const files = readdirSync(to).sort();
  for (let k = roll(4) === 0 ? 2 : 1; k > 0; k--) {
    const path = join(to, files[roll(files.length)] ?? "");
    const bytes = readFileSync(path);
    try {
      if (!path.endsWith(".json"))
        writeFileSync(
          path,
          withHeader(bytes, (header) => changed(header, roll)),
        );
      else writeFileSync(path, JSON.stringify(mutateJson(JSON.parse(bytes.toString()), roll)));
    } catch (error) {
      // The first change may have left nothing that can be read as JSON.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
}

/** A safetensors file with a changed header before the same data. */
export function withHeader(bytes: Uint8Array, change: (header: unknown) => unknown): Uint8Array {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const text = new TextEncoder().encode(JSON.stringify(change(header)));
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(text.length), true);
  return Buffer.concat([head, text, bytes.subarray(8 + length)]);
}

function changed(header: unknown, roll: Dice): unknown {
  const next = structuredClone(header) as Header;
  const names = Object.keys(next);
  const name = names[roll(names.length)] ?? "";
  const alike = names.filter((one) => `${next[one]?.shape}` === `${next[name]?.shape}`);
  const other = alike[roll(alike.length)] ?? "";
  const [entry, second] = [next[name], next[other]];
  if (entry === undefined || second === undefined) return next;
  const number = NUMBERS[roll(NUMBERS.length)] ?? 0;
  switch (roll(8)) {
    case 0:
      entry.dtype = DTYPES[roll(DTYPES.length)] ?? "";
      break;
    case 1:
      if (entry.shape?.length) entry.shape[roll(entry.shape.length)] = number;
      break;
    case 2:
      entry.shape?.reverse();
      break;
    case 3:
      if (entry.data_offsets) entry.data_offsets[roll(2)] = number;
      break;
    case 4:
      [entry.data_offsets, second.data_offsets] = [second.data_offsets ?? [], entry.data_offsets ?? []];
      break;
    case 5:
      [next[name], next[other]] = [second, entry];
      break;
    case 6:
      delete next[name];
      next[`${name}${roll(2) === 0 ? "_scale" : ".bias"}`] = entry;
      break;
    default:
      return mutateJson(next, roll);
  }
  return next;
}
