import type { Manifest } from "../../../ir/format/manifest.js";
import type { GenerateOptions, Generator } from "../../../runtime/node/generate.js";
import { printResolution } from "../../resolutions.js";
import { formatDuration, formatQuantity } from "../../units.js";
import { isBatch, type Job, jobsOf } from "../jobs.js";
import { Output } from "../output.js";
import type { RunOptions } from "../sampling-options.js";
import { Terminal, table } from "../terminal.js";

export async function runBundle(bundle: string, options: RunOptions): Promise<void> {
  const terminal = new Terminal(options);
  const signal = options.io.interruptSignal();
  const started = performance.now();
  const batch = isBatch(options);
  const jobs = await jobsOf(options);
  const latentsOut =
    options.latentsOut === undefined
      ? undefined
      : await Output.open({ ...options, out: options.latentsOut }, "safetensors");
  const { latentsFile, readRequest } = await import("../run-request.js");
  const request = await readRequest(bundle, options);
  const { openGenerator } = await import("../../../runtime/node/generate.js");
  const generator = await openGenerator(bundle, options);
  try {
    const { manifest } = generator.bundle;
    remark(terminal, manifest, options);
    const loaded = performance.now();
    const progress = terminal.progress("sampling", "steps");
    const pictures: Drawn[] = [];
    try {
      for (const [i, { prompt, seed, out, output }] of jobs.entries()) {
        const wanted: GenerateOptions = { ...request, prompt, seed, signal };
        // What an interrupted run has drawn stays; of a pipeline beside the bundle a picture does not tell.
        if (batch && options.pipeline === undefined && (await isDrawn(generator, wanted, out))) {
          pictures.push({ out, prompt, seed, kept: true });
          continue;
        }
        const onStep = ({ step, steps }: { step: number; steps: number }) =>
          progress.update(i * steps + step, jobs.length * steps);
        const { png, latents, width, height, steps } = await generator.generate({ ...wanted, onStep });
        await output.write([png]);
        await latentsOut?.write([latentsFile(latents, manifest.model?.outChannels ?? 1)]);
        pictures.push({ out, prompt, seed, width, height, steps, kept: false });
      }
    } finally {
      progress.stop();
    }
    const seconds = { load: (loaded - started) / 1000, generate: (performance.now() - loaded) / 1000 };
    report(jobs, pictures, batch, { device: generator.device.description, seconds });
  } finally {
    await generator.close();
  }
}

/** A picture that is there now. */
interface Drawn extends Omit<Job, "output"> {
  readonly width?: number;
  readonly height?: number;
  readonly steps?: number;
  /** It was there before. */
  readonly kept: boolean;
}

/** Whether a file is the picture that would be drawn: its metadata say all that made it. */
async function isDrawn(generator: Generator, wanted: GenerateOptions, out: string): Promise<boolean> {
  const { decodePng } = await import("../../../runtime/node/png.js");
  const { readRegular } = await import("../../../runtime/node/regular-file.js");
  try {
    const { metadata } = decodePng(await readRegular(out, 1 << 28), out);
    const expected = Object.entries(generator.metadata(wanted));
    return expected.length === Object.keys(metadata).length && expected.every(([k, v]) => metadata[k] === v);
  } catch {
    // What is no picture, or not there, is drawn.
    return false;
  }
}

function report(
  jobs: readonly Job[],
  pictures: readonly Drawn[],
  batch: boolean,
  run: { readonly device: string; readonly seconds: { readonly load: number; readonly generate: number } },
): void {
  const output = jobs[0]?.output;
  const took = `in ${formatDuration(run.seconds.generate)} on ${run.device}`;
  const [first] = pictures;
  if (!batch && first !== undefined) {
    const { out, width, height, steps = 0 } = first;
    const text = `${out}: ${width}x${height}, ${formatQuantity(steps, "step")} ${took}`;
    output?.summary({ out, width, height, steps, ...run }, text);
    return;
  }
  const rows = pictures.map(({ out, prompt, seed, kept }) => [
    out,
    `seed ${seed}`,
    prompt,
    kept ? "was there" : "",
  ]);
  output?.summary(
    { pictures, ...run },
    `${table(rows)}\n${formatQuantity(pictures.length, "picture")} ${took}`,
  );
}

/** What was asked for and is not done, or not planned: a size that may take more memory than there is. */
function remark(terminal: Terminal, { resolutions, sampling }: Manifest, options: RunOptions): void {
  const { resolution, guidance } = options;
  const planned = resolutions.map(printResolution);
  if (resolution !== undefined && !planned.includes(printResolution(resolution))) {
    terminal.note(
      `${printResolution(resolution)} is none of the sizes this bundle was planned for: ${planned.join(", ")}`,
    );
  }
  if (guidance !== undefined && sampling?.guidance === null) {
    terminal.note("this model takes no guidance: --guidance changes nothing");
  }
}
