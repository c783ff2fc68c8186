/** Reads evaluation prompts, checking every field once, here. */
import { readFile } from "node:fs/promises";
import { type IncludedObject, type PromptRecord, type Relation, TAGS } from "./score.js";

const CLASSES = ["circle", "square", "triangle", "cross", "ring"] as const;
const COLORS = ["red", "green", "blue", "yellow", "purple", "orange", "black"] as const;
const RELATIONS = ["left of", "right of", "above", "below"] as const;

/** The records of a `prompts.jsonl`, in order. */
export async function readPrompts(path: string): Promise<PromptRecord[]> {
  const text = await readFile(path, "utf8");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, i) => {
    const value: unknown = JSON.parse(line);
    return parsePromptRecord(value, `${path}:${i + 1}`);
  });
}

/** Narrows one record; the error names the place. */
export function parsePromptRecord(value: unknown, place: string): PromptRecord {
  const { tag, prompt, include } = fields(value, place);
  if (typeof prompt !== "string" || !Array.isArray(include))
    throw new Error(`${place}: no prompt or include`);
  return {
    tag: oneOf(TAGS, tag, place),
    prompt,
    include: include.map((object: unknown): IncludedObject => {
      const { class: shape, count, color, position } = fields(object, place);
      return {
        class: oneOf(CLASSES, shape, place),
        count: typeof count === "number" ? count : 1,
        ...(color === undefined ? {} : { color: oneOf(COLORS, color, place) }),
        ...(position === undefined ? {} : { position: parseRelation(position, place) }),
      };
    }),
  };
}

function parseRelation(value: unknown, place: string): Relation {
  if (!Array.isArray(value)) throw new Error(`${place}: position is not a list`);
  const [kind, of]: unknown[] = value;
  if (typeof of !== "number") throw new Error(`${place}: position names no object`);
  return [oneOf(RELATIONS, kind, place), of];
}

function fields(value: unknown, place: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw new Error(`${place}: not an object`);
  return Object.fromEntries<unknown>(Object.entries(value));
}

function oneOf<T extends string>(known: readonly T[], value: unknown, place: string): T {
  const found = known.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`${place}: ${String(value)} is none of ${known.join(", ")}`);
  return found;
}
