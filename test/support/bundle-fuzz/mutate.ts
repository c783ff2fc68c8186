import { type Dice, dice } from "../mutate.js";

/** One change of a bundle's structure: where, what it was and what it is. */
export interface Mutation {
  readonly file: "program.json" | "manifest.json" | "weights.safetensors";
  readonly path: readonly (string | number)[];
  readonly what: string;
}

const NUMBERS = [0, 1, 2, 7, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 53, -1, 0.5];
const WORDS = [
  "constructor",
  "__proto__",
  "toString",
  "",
  "f32",
  "i8",
  "u32",
  "read",
  "write",
  "arena",
  "weight",
];
const DIMS = ["img_tokens", "txt_tokens", "steps", "img_tokens+txt_tokens", "img_tokens*txt_tokens"];

/** Changes one place of a JSON document, so that it is JSON still. Seeded: one roll makes one change. */
export function mutateDocument(root: unknown, roll: Dice, file: Mutation["file"]): Mutation {
  const places = placesOf(root);
  const place = places[roll(places.length)];
  if (place === undefined) throw new RangeError("nothing to change");
  const { holder, key, path } = place;
  const before: unknown = Reflect.get(holder, key);
  const shown = () => JSON.stringify(Reflect.get(holder, key))?.slice(0, 60);
  const from = shown();
  if (Array.isArray(holder) && roll(4) === 0) {
    const at = Number(key);
    const kind = roll(3);
    if (kind === 0) holder.splice(at, 1);
    else if (kind === 1) holder.splice(at, 0, structuredClone(before));
    else {
      const other = roll(holder.length);
      [holder[at], holder[other]] = [holder[other], holder[at]];
    }
    return { file, path, what: `${["removed", "repeated", "exchanged"][kind]} ${from}` };
  }
  Reflect.set(holder, key, otherValue(before, places, path, roll));
  return { file, path, what: `${from} → ${shown()}` };
}

interface Place {
  readonly holder: object;
  readonly key: string;
  readonly path: readonly (string | number)[];
}

/** Members of objects and lists, those with the most siblings no more often than others: by depth first. */
function placesOf(value: unknown, path: readonly (string | number)[] = [], places: Place[] = []): Place[] {
  if (typeof value !== "object" || value === null) return places;
  for (const [key, member] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    places.push({ holder: value, key, path: at });
    placesOf(member, at, places);
  }
  return places;
}

function otherValue(before: unknown, places: readonly Place[], path: Place["path"], roll: Dice): unknown {
  if (typeof before === "number") {
    const near = [before + 1, before - 1, before * 2, Math.floor(before / 2), before + 4, before + 16];
    return roll(3) < 2 ? near[roll(near.length)] : [...NUMBERS, ...DIMS][roll(NUMBERS.length + DIMS.length)];
  }
  if (typeof before === "boolean") return !before;
  if (typeof before === "string") {
    // Another reference of the same kind: the value at the same member elsewhere.
    const same = places.filter((place) => place.path.at(-1) === path.at(-1));
    const values = same.map(({ holder, key }): unknown => Reflect.get(holder, key));
    const dims = /tokens|steps/.test(before) ? [`${before}+1`, `2*${before}`, 1, 4, 0, ...DIMS] : [];
    const choice = roll(4);
    if (choice < 2) return structuredClone(values[roll(values.length)]);
    if (choice === 2 && dims.length > 0) return dims[roll(dims.length)];
    return WORDS[roll(WORDS.length)];
  }
  return [null, [], {}, 0, "constructor"][roll(5)];
}

/** The mutations of a seed. */
export function diceOf(seed: number): Dice {
  return dice(seed);
}
