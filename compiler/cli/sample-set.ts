import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import type { GenerateOptions, Generator } from "../../runtime/node/generate.js";
import { type LayoutName, layoutOf } from "../prompt-sets/layouts.js";
import type { PromptEntry } from "../prompt-sets/prompt-set.js";
import type { Shard } from "../shard.js";
import { type WantedPicture, whatStands } from "./draw-pictures.js";

export interface SetRequest {
  readonly entries: readonly PromptEntry[];
  readonly layout: LayoutName;
  /** Pictures of each prompt, with the seeds from `seed` on. */
  readonly count: number;
  readonly seed: number;
  readonly shard?: Shard | undefined;
}

/** What one process makes of a set. */
export interface SampleSet {
  readonly prompts: readonly PromptEntry[];
  readonly pictures: readonly WantedPicture[];
  /** Files beside the pictures that are not there yet. */
  readonly records: readonly { readonly path: string; readonly text: string }[];
}

/** The pictures of a set below its folder. Throws TRITC_E_OUT_EXISTS where a scorer would read what is of another. */
export async function planSet(folder: string, request: SetRequest): Promise<SampleSet> {
  const { entries, count, seed, shard = { index: 1, count: 1 } } = request;
  const layout = layoutOf(request.layout);
  const all = entries.map((entry, prompt) => {
    const record = layout.record(entry, prompt);
    const pictures = Array.from({ length: count }, (_, picture): WantedPicture => {
      const out = join(folder, layout.picture(entry, { prompt, picture, count }));
      return { prompt: entry.prompt, seed: seed + picture, out };
    });
    return {
      entry,
      pictures,
      records: record === null ? [] : [{ ...record, path: join(folder, record.path) }],
    };
  });
  const expected = new Set(all.flatMap(({ pictures }) => pictures.map(({ out }) => out)));
  const found = (await layout.pictures(folder)).map((path) => join(folder, path));
  const strangers = found.filter((path) => !expected.has(path));
  const records = [];
  const own = all.filter((_, i) => i % shard.count === shard.index - 1);
  for (const record of own.flatMap((prompt) => prompt.records)) {
    const there = await textOf(record.path);
    if (there === undefined) records.push(record);
    else if (there !== record.text) strangers.push(record.path);
  }
  refuse(strangers);
  return {
    prompts: own.map(({ entry }) => entry),
    pictures: own.flatMap(({ pictures }) => pictures),
    records,
  };
}

/** The paths of pictures that are drawn already. Throws TRITC_E_OUT_EXISTS for others in their places. */
export async function findDrawn(
  generator: Generator,
  { pictures }: SampleSet,
  request: Omit<GenerateOptions, "prompt" | "seed">,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const drawn = new Set<string>();
  const others: string[] = [];
  for (const { prompt, seed, out } of pictures) {
    signal.throwIfAborted();
    const there = await whatStands(generator, { ...request, prompt, seed }, out);
    if (there === "it") drawn.add(out);
    if (there === "other") others.push(out);
  }
  refuse(others);
  return drawn;
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

function refuse([first, ...others]: readonly string[]): void {
  if (first === undefined) return;
  throw new TritcError({
    code: "TRITC_E_OUT_EXISTS",
    message: "this is not of the set that is drawn, and a scorer would read it",
    place: first,
    expected: "pictures of the same bundle, prompts and options, or none",
    found: "another file in a place of the set",
    others,
    remedy: "choose another folder for --out, remove what is there, or draw with what it was drawn with",
    exitCode: 2,
  });
}
