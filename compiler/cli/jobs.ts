import { dirname, join, resolve } from "node:path";
import { refuseNested } from "../bundle/staging.js";
import { makeFolder } from "../make-folder.js";
import type { WantedPicture } from "./draw-pictures.js";
import { Output, STANDARD } from "./output.js";
import { readPrompt, readPrompts } from "./prompts.js";
import type { RunOptions } from "./sampling-options.js";
import { usageError } from "./usage-error.js";

/** A picture of `run`. */
export interface Job extends WantedPicture {
  readonly output: Output;
}

/** Digits of a picture's number in its name. */
const DIGITS = 4;

/** Whether a run draws several pictures, or as many as a file of prompts has. */
export function isBatch({ prompts, count }: Pick<RunOptions, "prompts" | "count">): boolean {
  return prompts !== undefined || count !== undefined;
}

/**
 * The pictures of a run: each prompt with `--count` seeds from `--seed` on. Of several the names are numbered:
 * `out-0001.png` for `out.png`, `out/0001.png` for a folder, and as it says for a name with {n} or {seed}.
 * Throws TRITC_E_USAGE and TRITC_E_OUT.
 */
export async function jobsOf(options: RunOptions): Promise<readonly Job[]> {
  const { prompt, seed, count = 1, out } = options;
  if ((prompt === undefined) === (options.prompts === undefined)) {
    throw usageError({
      message: prompt === undefined ? "nothing says what to draw" : "two options say what to draw",
      place: "tritc run",
      expected: "--prompt or --prompts",
      found: prompt === undefined ? "neither" : "both",
      remedy: 'give --prompt "..." for one prompt, --prompts <file> for several',
    });
  }
  if (!isBatch(options)) {
    const output = await Output.open(options, "PNG");
    return [{ prompt: await readPrompt(prompt ?? "", options), seed, out, output }];
  }
  checkBatch(options);
  const prompts =
    options.prompts === undefined
      ? [await readPrompt(prompt ?? "", options)]
      : await readPrompts(options.prompts, options);
  const pictures = prompts.flatMap((text, p) =>
    Array.from({ length: count }, (_, i) => {
      const place = nameOf(out, p * count + i + 1, seed + i);
      return { prompt: text, seed: seed + i, out: place };
    }),
  );
  if (new Set(pictures.map((picture) => picture.out)).size < pictures.length) {
    throw usageError({
      message: "several pictures would have one name",
      place: `--out ${out}`,
      expected: "{n} in it, which counts the pictures",
      remedy: `leave the braces out: pictures are numbered then`,
    });
  }
  const [first] = pictures;
  if (first !== undefined) await refuseNested(resolve(first.out));
  const isFile = /^[^{]*\.png$/i.test(out);
  const jobs: Job[] = [];
  for (const picture of pictures) {
    if (!isFile) await makeFolder(dirname(picture.out));
    jobs.push({ ...picture, output: await Output.open({ ...options, out: picture.out }, "PNG") });
  }
  return jobs;
}

/** Refuses what several pictures cannot share. */
function checkBatch({ seed, count = 1, out, latents, latentsOut }: RunOptions): void {
  const shared = { latents, "latents-out": latentsOut, out: out === STANDARD ? out : undefined };
  const [name] = Object.entries(shared).find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined) {
    throw usageError({
      message: "several pictures cannot share this",
      place: `--${name}`,
      remedy: name === "out" ? "name a folder for them" : `draw one picture with --${name}`,
    });
  }
  checkSeeds("--count", count, seed);
}

/** Refuses more pictures of a prompt than there are seeds from one on. */
export function checkSeeds(option: string, count: number, seed: number): void {
  if (count - 1 <= Number.MAX_SAFE_INTEGER - seed) return;
  throw usageError({
    message: "there are not so many seeds",
    place: option,
    expected: `at most ${2 ** 53 - seed} from --seed ${seed} on`,
    found: String(count),
    remedy: "begin with a smaller seed",
  });
}

function nameOf(out: string, index: number, seed: number): string {
  const number = String(index).padStart(DIGITS, "0");
  const named = out.replaceAll("{n}", number).replaceAll("{seed}", String(seed));
  if (named !== out) return named;
  return /\.png$/i.test(out)
    ? out.replace(/\.png$/i, (end) => `-${number}${end}`)
    : join(out, `${number}.png`);
}
