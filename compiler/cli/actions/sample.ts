import { dirname } from "node:path";
import type { TextPadding } from "../../../ir/models/text-padding.js";
import type { PromptWeightsPolicy } from "../../../ir/program/prompt-weights.js";
import type { Residency } from "../../../ir/program/residency.js";
import type { Generator } from "../../../runtime/node/generate.js";
import { writeFileAtomic } from "../../atomic-file.js";
import { makeFolder } from "../../make-folder.js";
import { promptFileName } from "../../prompt-sets/file-name.js";
import { defaultLayout, type LayoutName } from "../../prompt-sets/layouts.js";
import type { PromptEntry } from "../../prompt-sets/prompt-set.js";
import type { Shard } from "../../shard.js";
import { formatDuration, formatQuantity } from "../../units.js";
import { type DrawnPicture, drawPictures, remark } from "../draw-pictures.js";
import { checkSeeds } from "../jobs.js";
import { runnablePipeline } from "../model-path.js";
import { checkFolderPath } from "../output.js";
import { readPromptSet } from "../prompts.js";
import { findDrawn, planSet } from "../sample-set.js";
import type { SamplingOptions } from "../sampling-options.js";
import { Terminal } from "../terminal.js";

export interface SampleOptions extends SamplingOptions {
  readonly promptWeights?: PromptWeightsPolicy;
  readonly residency?: Residency;
  readonly negativePrompt?: string | undefined;
  readonly trueCfgScale?: number | undefined;
  readonly textPadding?: TextPadding;
  readonly prompts: string;
  readonly imagesPerPrompt: number;
  readonly layout?: LayoutName;
  readonly shard?: Shard;
  readonly out: string;
}

export async function sampleSet(bundle: string, given: SampleOptions): Promise<void> {
  const { out, imagesPerPrompt: count, seed, shard } = given;
  const terminal = new Terminal(given);
  const signal = given.io.interruptSignal();
  checkFolderPath(out);
  checkSeeds("--images-per-prompt", count, seed);
  const prompts = await readPromptSet(given.prompts, given);
  const layout = given.layout ?? defaultLayout(prompts);
  const set = await planSet(out, { entries: prompts.entries, layout, count, seed, shard });
  const options = await runnablePipeline(given);
  const started = performance.now();
  const { readRequest } = await import("../run-request.js");
  const request = await readRequest(bundle, options);
  const { openGenerator } = await import("../../../runtime/node/generate.js");
  const generator = await openGenerator(bundle, options);
  try {
    remark(terminal, generator.bundle.manifest, options);
    if (layout === "compbench") sayRenamed(terminal, set.prompts);
    const drawn = await findDrawn(generator, set, request, signal);
    for (const { out } of set.pictures) await makeFolder(dirname(out));
    for (const { path, text } of set.records) await writeFileAtomic(path, (file) => file.writeFile(text));
    const loaded = performance.now();
    const pictures = await drawPictures(generator, set.pictures, {
      request,
      signal,
      progress: terminal.progress("sampling", "steps"),
      // Of a pipeline beside the bundle a picture does not tell.
      isThere: async (_, { out }) => options.pipeline === undefined && drawn.has(out),
      write: ({ out }, { png }) => writeFileAtomic(out, (file) => file.writeFile(png)),
    });
    const seconds = { load: (loaded - started) / 1000, generate: (performance.now() - loaded) / 1000 };
    report(terminal, { out, layout, prompts: set.prompts.length, pictures, generator, seconds });
  } finally {
    await generator.close();
  }
}

/** Scorers of this layout take names for prompts. */
function sayRenamed(terminal: Terminal, prompts: readonly PromptEntry[]): void {
  const renamed = prompts.filter(({ prompt }) => promptFileName(prompt) !== prompt).length;
  if (renamed === 0) return;
  terminal.note(
    `${formatQuantity(renamed, "prompt")} cannot be the name of a file as written: scorers read the name that stands for it`,
  );
}

function report(
  terminal: Terminal,
  {
    pictures,
    generator,
    seconds,
    ...set
  }: {
    readonly out: string;
    readonly layout: LayoutName;
    readonly prompts: number;
    readonly pictures: readonly DrawnPicture[];
    readonly generator: Generator;
    readonly seconds: { readonly load: number; readonly generate: number };
  },
): void {
  const kept = pictures.filter((picture) => picture.kept).length;
  const drawn = pictures.length - kept;
  const secondsPerPicture = drawn === 0 ? null : seconds.generate / drawn;
  const device = generator.device.description;
  const each = secondsPerPicture === null ? "" : `, ${formatDuration(secondsPerPicture)} each`;
  terminal.summary(
    { ...set, pictures: pictures.length, drawn, kept, secondsPerPicture, device, seconds },
    `${set.out}: ${formatQuantity(set.prompts, "prompt")}, ${formatQuantity(drawn, "picture")} drawn in ` +
      `${formatDuration(seconds.generate)} on ${device}${each}, ${kept} were there`,
  );
}
