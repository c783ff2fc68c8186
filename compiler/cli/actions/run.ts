import { formatDuration, formatQuantity } from "../../units.js";
import { type DrawnPicture, drawPictures, remark, whatStands } from "../draw-pictures.js";
import { isBatch, type Job, jobsOf } from "../jobs.js";
import { runnablePipeline } from "../model-path.js";
import { noteTuning } from "../note-tuning.js";
import { Output } from "../output.js";
import type { RunOptions } from "../sampling-options.js";
import { Terminal, table } from "../terminal.js";

export async function runBundle(bundle: string, given: RunOptions): Promise<void> {
  const terminal = new Terminal(given);
  const signal = given.io.interruptSignal();
  const batch = isBatch(given);
  const jobs = await jobsOf(given);
  const latentsOut =
    given.latentsOut === undefined
      ? undefined
      : await Output.open({ ...given, out: given.latentsOut }, "safetensors", "--latents-out");
  const options = await runnablePipeline(given);
  const started = performance.now();
  const { latentsFile, readRequest } = await import("../run-request.js");
  const request = await readRequest(bundle, options);
  const { openGenerator } = await import("../../../runtime/node/generate.js");
  const generator = await openGenerator(bundle, options);
  try {
    const { manifest } = generator.bundle;
    remark(terminal, manifest, options, request.image);
    const { description: device } = generator.device;
    const tuned = await noteTuning(terminal, generator.bundle, device);
    const loaded = performance.now();
    const pictures = await drawPictures(generator, jobs, {
      request,
      signal,
      progress: terminal.progress("sampling", "steps"),
      // What an interrupted run has drawn stays; of a pipeline beside the bundle a picture does not tell.
      isThere: async (wanted, { out }) =>
        batch && options.pipeline === undefined && (await whatStands(generator, wanted, out)) === "it",
      write: async ({ output }, { png, latents }) => {
        await output.write([png]);
        await latentsOut?.write([latentsFile(latents, manifest.model?.outChannels ?? 1)]);
      },
    });
    const seconds = { load: (loaded - started) / 1000, generate: (performance.now() - loaded) / 1000 };
    report(jobs, pictures, batch, { device, tuned, seconds });
  } finally {
    await generator.close();
  }
}

function report(
  jobs: readonly Job[],
  pictures: readonly DrawnPicture[],
  batch: boolean,
  run: {
    readonly device: string;
    readonly tuned: boolean;
    readonly seconds: { readonly load: number; readonly generate: number };
  },
): void {
  const output = jobs[0]?.output;
  const took = `in ${formatDuration(run.seconds.generate)} on ${run.device}`;
  const [first] = pictures;
  if (!batch && first !== undefined) {
    const { out, width, height, steps = 0, tilePixels: side } = first;
    const tiled = side === undefined ? {} : { tilePixels: side };
    const tiles = side === undefined ? "" : `, decoded in tiles of ${side}x${side}`;
    const text = `${out}: ${width}x${height}, ${formatQuantity(steps, "step")} ${took}${tiles}`;
    output?.summary({ out, width, height, steps, ...tiled, ...run }, text);
    return;
  }
  const rows = pictures.map(({ out, prompt, seed, kept, tilePixels }) => [
    out,
    `seed ${seed}`,
    prompt,
    kept ? "was there" : tilePixels === undefined ? "" : `decoded in tiles of ${tilePixels}x${tilePixels}`,
  ]);
  output?.summary(
    { pictures, ...run },
    `${table(rows)}\n${formatQuantity(pictures.length, "picture")} ${took}`,
  );
}
