import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promptFileName } from "./file-name.js";
import type { PromptEntry, PromptSet } from "./prompt-set.js";

export const LAYOUTS = ["geneval", "compbench"] as const;
export type LayoutName = (typeof LAYOUTS)[number];

/** One of the pictures of a prompt; all numbers from 0 on. */
export interface PictureIndex {
  readonly prompt: number;
  readonly picture: number;
  /** Pictures of each prompt. */
  readonly count: number;
}

/** Where a scorer looks for pictures and what they should show. Paths are below the folder of the set. */
export interface Layout {
  readonly picture: (entry: PromptEntry, index: PictureIndex) => string;
  /** What stands beside a prompt's pictures; null where their names say it. */
  readonly record: (
    entry: PromptEntry,
    prompt: number,
  ) => { readonly path: string; readonly text: string } | null;
  /** The pictures that a scorer would read there. */
  readonly pictures: (folder: string) => Promise<readonly string[]>;
}

const SAMPLES = "samples";
const padded = (value: number, digits: number): string => String(value).padStart(digits, "0");

/** 00012/metadata.jsonl and 00012/samples/00003.png: `evaluate_images.py` reads a folder for each prompt. */
const geneval: Layout = {
  picture: (_, { prompt, picture }) => join(padded(prompt, 5), SAMPLES, `${padded(picture, 5)}.png`),
  record: (entry, prompt) => ({
    path: join(padded(prompt, 5), "metadata.jsonl"),
    text: `${JSON.stringify(entry.metadata ?? { prompt: entry.prompt })}\n`,
  }),
  pictures: async (folder) => {
    const prompts = (await list(folder)).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(
      prompts.map(async (prompt) =>
        (await list(join(folder, prompt, SAMPLES)))
          .filter((name) => /^\d+\.png/.test(name))
          .map((name) => join(prompt, SAMPLES, name)),
      ),
    );
    return found.flat();
  },
};

/** samples/a red ring_000051.png: `BLIP_vqa.py` and its like take what comes before the first "_" for the prompt. */
const compbench: Layout = {
  picture: ({ prompt }, { prompt: p, picture, count }) =>
    join(SAMPLES, `${promptFileName(prompt)}_${padded(p * count + picture, 6)}.png`),
  record: () => null,
  // Hidden ones are being written.
  pictures: async (folder) =>
    (await list(join(folder, SAMPLES)))
      .filter((name) => !name.startsWith("."))
      .map((name) => join(SAMPLES, name)),
};

const BY_NAME: Readonly<Record<LayoutName, Layout>> = { geneval, compbench };

export function layoutOf(name: LayoutName): Layout {
  return BY_NAME[name];
}

/** Where a file says more of its prompts than names of pictures can, that is kept beside them. */
export function defaultLayout({ kind }: PromptSet): LayoutName {
  return kind === "lines" ? "compbench" : "geneval";
}

async function list(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
}
