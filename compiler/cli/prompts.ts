import type { TritcError } from "../../ir/errors.js";
import { openRegular, readInto } from "../../runtime/node/regular-file.js";
import { type PromptEntry, type PromptSet, parsePromptSet } from "../prompt-sets/prompt-set.js";
import type { CommonOptions } from "./options.js";
import { STANDARD } from "./output.js";
import { decodeText, readStandardText, STANDARD_INPUT, TEXT_LIMIT } from "./standard-input.js";
import { usageError } from "./usage-error.js";

type Source = Pick<CommonOptions, "io" | "input">;

/** The value of `--prompt`: what to draw, or all of standard input for `-`. */
export async function readPrompt(given: string, options: Source): Promise<string> {
  if (given !== STANDARD) return given;
  const text = (await readStandardText(options)).trim();
  if (text === "") throw noPrompt(STANDARD_INPUT, "text");
  return text;
}

/** Prompts as a set that has some. */
export interface GivenPrompts extends PromptSet {
  readonly entries: readonly [PromptEntry, ...PromptEntry[]];
}

/**
 * A file of prompts of any kind, or standard input for `-`. Empty lines say nothing; a file of such is refused. Throws
 * TRITC_E_USAGE, TRITC_E_PROMPTS, TRITC_E_INPUT.
 */
export async function readPromptSet(path: string, options: Source): Promise<GivenPrompts> {
  const place = path === STANDARD ? STANDARD_INPUT : path;
  const text = path === STANDARD ? await readStandardText(options) : await readText(path);
  const { kind, entries } = parsePromptSet(text, place);
  const [first, ...rest] = entries;
  if (first === undefined) throw noPrompt(place, "one prompt a line");
  return { kind, entries: [first, ...rest] };
}

/** The prompts of such a file alone. */
export async function readPrompts(path: string, options: Source): Promise<readonly string[]> {
  return (await readPromptSet(path, options)).entries.map(({ prompt }) => prompt);
}

function noPrompt(place: string, expected: string): TritcError {
  return usageError({
    message: "there is no prompt",
    place,
    expected,
    found: "nothing",
    remedy: "write what to draw",
  });
}

async function readText(path: string): Promise<string> {
  const file = await openRegular(path);
  try {
    const bytes = new Uint8Array(TEXT_LIMIT + 1);
    return decodeText(bytes.subarray(0, await readInto(file, bytes, 0)), path);
  } finally {
    await file.close();
  }
}
