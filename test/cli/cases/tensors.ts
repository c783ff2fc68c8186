import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serialize } from "../../../ir/format/safetensors.js";
import type { Tensor } from "../../../ir/tensor.js";
import type { CliCase } from "./case.js";

/** A safetensors file from its header's text and its data. */
export function rawSafetensors(header: string, data: number, length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

function broken(name: string, message: RegExp, content: Uint8Array): CliCase {
  return {
    name: `eval inputs: ${name}`,
    code: "TRITC_E_SAFETENSORS",
    message: new RegExp(`inputs\\.safetensors[\\s\\S]*${message.source}`),
    setup(folder, { model }) {
      const path = join(folder, "inputs.safetensors");
      writeFileSync(path, content);
      return ["eval", model, "--inputs", path, "-o", join(folder, "out.safetensors")];
    },
  };
}

/** One entry x of four floats, with members replaced. */
function entry(members: Readonly<Record<string, string>> = {}): string {
  const all = { dtype: '"F32"', shape: "[4]", data_offsets: "[0,16]", ...members };
  return `{${Object.entries(all).map(([key, v]) => `"${key}":${v}`)}}`;
}

const GOOD = `{"x":${entry()}}`;

export const SAFETENSORS_CASES: readonly CliCase[] = [
  broken("an empty file", /too short for a header/, new Uint8Array()),
  broken("a file of seven bytes", /too short for a header/, new Uint8Array(7)),
  broken(
    "a header of 2^63 bytes",
    /the header is too large[\s\S]*100000000[\s\S]*9223372036854775808/,
    rawSafetensors(GOOD, 16, 2n ** 63n),
  ),
  broken("a header beyond the file", /runs past the end of the file/, rawSafetensors(GOOD, 16, 9999n)),
  broken("a header that is no JSON", /not valid JSON/, rawSafetensors("{nonsense", 0)),
  broken("a header that is a list", /does not start with '\{'/, rawSafetensors("[]", 0)),
  broken(
    "a header of broken UTF-8",
    /not valid JSON/,
    rawSafetensors('{"x', 0).map((b) => (b === 0x78 ? 0xff : b)),
  ),
  broken("a header nested deeply", /nesting deeper/, rawSafetensors(`{"x":${"[".repeat(5000)}`, 0)),
  broken("a tensor twice", /duplicate key/, rawSafetensors(`{"x":${entry()},"x":${entry()}}`, 16)),
  broken(
    "an unknown dtype",
    /tensor x: unknown dtype/,
    rawSafetensors(`{"x":${entry({ dtype: '"F3"' })}}`, 16),
  ),
  broken("an unknown field", /unknown field[\s\S]*size/, rawSafetensors(`{"x":${entry({ size: "1" })}}`, 16)),
  broken(
    "a size that is not the shape's",
    /size of its shape/,
    rawSafetensors(`{"x":${entry({ shape: "[5]" })}}`, 16),
  ),
  broken("a negative size", /shape is not a list/, rawSafetensors(`{"x":${entry({ shape: "[-4]" })}}`, 16)),
  broken(
    "sizes whose product overflows",
    /the size overflows/,
    rawSafetensors(`{"x":${entry({ shape: "[4294967296,4294967296]" })}}`, 16),
  ),
  broken(
    "an offset beyond 2^53",
    /not a pair of whole numbers/,
    rawSafetensors(`{"x":${entry({ data_offsets: "[0,9007199254740993]" })}}`, 16),
  ),
  broken(
    "offsets that run backwards",
    /run backwards/,
    rawSafetensors(`{"x":${entry({ data_offsets: "[16,0]" })}}`, 16),
  ),
  broken(
    "a hole",
    /a hole before tensor x/,
    rawSafetensors(`{"x":${entry({ data_offsets: "[4,20]" })}}`, 20),
  ),
  broken("an overlap", /an overlap at tensor/, rawSafetensors(`{"x":${entry()},"z":${entry()}}`, 16)),
  broken("data that is cut off", /the data is cut off/, rawSafetensors(GOOD, 12)),
  broken("bytes after the data", /bytes after the last tensor/, rawSafetensors(GOOD, 17)),
  broken("metadata that is no text", /__metadata__/, rawSafetensors('{"__metadata__":{"a":1}}', 0)),
];

const x: Tensor = { dtype: "f32", shape: [2, 8], data: new Float32Array(16).fill(0.5) };
const i: Tensor = { dtype: "i64", shape: [2], data: BigInt64Array.of(1n, 0n) };

function wrong(
  name: string,
  message: RegExp,
  tensors: Readonly<Record<string, Tensor>>,
  generic = false,
): CliCase {
  return {
    name: `eval inputs${generic ? " of a bundle" : ""}: ${name}`,
    code: "TRITC_E_INPUT",
    message,
    setup(folder, fixture) {
      const path = join(folder, "inputs.safetensors");
      writeFileSync(path, serialize(new Map(Object.entries(tensors))));
      const out = join(folder, "out.safetensors");
      return ["eval", generic ? fixture.generic : fixture.model, "--inputs", path, "-o", out];
    },
  };
}

const floats = (...shape: readonly number[]): Tensor => ({
  dtype: "f32",
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
});

const INPUTS: readonly (readonly [string, RegExp, Readonly<Record<string, Tensor>>])[] = [
  ["none", /x, i not given[\s\S]*expected: x, i/, {}],
  ["one is missing", /inputs: i not given/, { x }],
  ["one too many", /input z: .*has no such input/, { x, i, z: x }],
  ["a name with escape codes", /input \\u\{1b\}\[2Jx: /, { x, i, "\x1b[2Jx": x }],
  [
    "a wrong rank",
    /input x: rank 3 instead of 2[\s\S]*\[n, 8\][\s\S]*\[1, 2, 8\]/,
    { x: floats(1, 2, 8), i },
  ],
  ["a wrong size", /input x[\s\S]*8[\s\S]*7/, { x: floats(2, 7), i }],
  [
    "fractions for integers",
    /input i/,
    { x, i: { dtype: "f32", shape: [2], data: Float32Array.of(0.5, 1) } },
  ],
];

export const INPUT_CASES: readonly CliCase[] = [
  ...[false, true].flatMap((generic) => INPUTS.map(([name, message, t]) => wrong(name, message, t, generic))),
  wrong("booleans for floats", /input x: values of bool/, {
    x: { dtype: "bool", shape: [2, 8], data: new Uint8Array(16) },
    i,
  }),
  {
    name: "eval inputs: no file",
    code: "TRITC_E_SYSTEM",
    message: /none\.safetensors: there is no such file[\s\S]*ENOENT/,
    setup: (folder, { model }) => [
      ...["eval", model, "--inputs", join(folder, "none.safetensors")],
      ...["-o", join(folder, "out.safetensors")],
    ],
  },
  {
    name: "eval inputs: a folder",
    code: "TRITC_E_FILE_READ",
    message: /neither a file nor a pipe/,
    setup(folder, { model }) {
      mkdirSync(join(folder, "inputs"));
      return ["eval", model, "--inputs", join(folder, "inputs"), "-o", join(folder, "out.safetensors")];
    },
  },
];
