import { uniform } from "./random.js";

/** Whole numbers below a limit. */
export type Dice = (limit: number) => number;

export function dice(seed: number): Dice {
  const next = uniform(seed);
  return (limit) => Math.floor(next() * limit);
}

const BYTES = [0, 1, 2, 7, 8, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x7b, 0x7d, 0x7f, 0x80, 0xff] as const;

/** One to three bytes replaced, inserted, removed or repeated. */
export function mutateBytes(source: Uint8Array, roll: Dice): Uint8Array<ArrayBuffer> {
  const bytes = Array.from(source);
  for (let k = roll(3); k >= 0; k--) {
    const at = roll(bytes.length);
    const byte = BYTES[roll(BYTES.length)] ?? 0;
    const kind = roll(5);
    if (kind < 2) bytes[at] = byte;
    else if (kind === 2) bytes.splice(at, 0, byte);
    else if (kind === 3) bytes.splice(at, 1 + roll(16));
    else bytes.splice(at, 0, ...bytes.slice(at, at + 1 + roll(32)));
  }
  return Uint8Array.from(bytes);
}

const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    1,
    -1,
    2,
    0.5,
    2 ** 31,
    2 ** 53 - 1,
    1e300,
    "",
    "a",
    "n",
    "n*n",
    "-n",
    "cpu",
    "f32",
    "i8",
  ],
  ...["__proto__", "../x", "\u001b[2J", [], {}, [[]], { kind: "arena", slot: 0 }],
];

/** A copy of a JSON value with one to three members changed, removed, repeated or exchanged. */
export function mutateJson(source: unknown, roll: Dice): unknown {
  const root: unknown = structuredClone(source);
  for (let k = roll(3); k >= 0; k--) {
    const places = [...placesIn(root)];
    const place = places[roll(places.length)];
    const other = places[roll(places.length)];
    if (place === undefined || other === undefined) break;
    const [holder, key] = place;
    const kind = roll(5);
    if (kind === 0) Reflect.deleteProperty(holder, key);
    else if (kind === 1) Reflect.set(holder, key, structuredClone(Reflect.get(other[0], other[1])));
    else if (kind === 2 && Array.isArray(holder)) holder.push(structuredClone(Reflect.get(holder, key)));
    else Reflect.set(holder, key, structuredClone(VALUES[roll(VALUES.length)]));
  }
  return root;
}

function* placesIn(value: unknown): Generator<readonly [object, string]> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    yield [value, key];
    yield* placesIn(member);
  }
}

const WORDS = [
  "%x",
  "%y",
  "f32",
  "i64",
  "[0]",
  "[-1]",
  "9007199254740993",
  "1e999",
  "NaN",
  "{",
  "}",
  "reshape",
];

/** Text with one to three words replaced, removed, doubled or inserted. */
export function mutateText(source: string, roll: Dice): string {
  const words = source.split(/(\s+|[()[\]{},:=])/);
  for (let k = roll(3); k >= 0; k--) {
    const at = roll(words.length);
    const word = WORDS[roll(WORDS.length)] ?? "";
    const kind = roll(4);
    if (kind === 0) words[at] = word;
    else if (kind === 1) words.splice(at, 1 + roll(3));
    else if (kind === 2) words.splice(at, 0, word);
    else words[at] = words[roll(words.length)] ?? "";
  }
  return words.join("");
}
