import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TritcError } from "../../../ir/errors.js";
import type { GeneratedPicture } from "../../../runtime/node/generate.js";
import { psnr } from "../../compare/psnr.js";
import { removeOnExit } from "../../temporary.js";
import { isBundle } from "../is-bundle.js";
import { Output } from "../output.js";
import { readPrompts } from "../prompts.js";
import type { SamplingOptions } from "../sampling-options.js";
import { Terminal, table } from "../terminal.js";
import { usageError } from "../usage-error.js";

/** What the picture grid takes. */
export interface GridOptions extends SamplingOptions {
  readonly prompts: string;
  readonly out: string;
}

/** The same prompts and seeds through a model and a bundle, as one PNG. */
export async function drawGrid(reference: string, bundle: string, options: GridOptions): Promise<void> {
  const output = await Output.open(options, "PNG");
  if (!isBundle(bundle)) throw notABundle(bundle);
  const prompts = await readPrompts(options.prompts, options);
  const [{ openBundle }, { composeGrid }, { encodePng }] = await Promise.all([
    import("../../../runtime/node/bundle.js"),
    import("../../../runtime/node/grid.js"),
    import("../../../runtime/node/png.js"),
  ]);
  const terminal = new Terminal(options);
  const signal = options.io.interruptSignal();
  // Both sides draw alike: as was asked for, or as the bundle was compiled for.
  const { manifest, program: compiled } = await openBundle(bundle);
  const planned = manifest.sampling;
  const sampling: SamplingOptions = {
    ...options,
    steps: options.steps ?? planned?.steps,
    guidance: options.guidance ?? planned?.guidance ?? undefined,
    resolution: options.resolution ?? manifest.resolutions[0],
  };
  const left = await withBundle(reference, bundle, compiled.target, sampling, signal, (path) =>
    drawAll(path, prompts, sampling, signal, terminal),
  );
  const right = await drawAll(bundle, prompts, sampling, signal, terminal);
  const grid = composeGrid(
    prompts.flatMap((_, i) => [left[i], right[i]].flatMap((p) => p ?? [])),
    2,
  );
  const png = encodePng(grid, { Software: "tritc", prompts: prompts.join("\n") });
  await output.write([png]);
  const results = prompts.flatMap((prompt, i) => {
    const [a, b] = [left[i], right[i]];
    return a === undefined || b === undefined ? [] : [{ prompt, psnr: psnr(a, b) }];
  });
  const mean = results.reduce((sum, r) => sum + Math.min(r.psnr, 99), 0) / results.length;
  const rows = results.map((r) => [Number.isFinite(r.psnr) ? `${r.psnr.toFixed(1)} dB` : "equal", r.prompt]);
  output.result(
    { out: options.out, results, mean },
    table([...rows, [`${mean.toFixed(1)} dB`, `mean PSNR, equal as 99 dB; ${options.out}`]]),
  );
}

/** Calls `use` with a bundle of the reference: itself, or a temporary one in full precision for the same target. */
async function withBundle<T>(
  reference: string,
  other: string,
  target: string,
  options: SamplingOptions,
  signal: AbortSignal,
  use: (path: string) => Promise<T>,
): Promise<T> {
  if (isBundle(reference)) return use(reference);
  const { compileModel } = await import("../../compile.js");
  const folder = await mkdtemp(join(tmpdir(), "tritc-compare-"));
  const isGone = removeOnExit(folder);
  try {
    const out = join(folder, "reference");
    const { pipeline = join(other, "pipeline"), resolution, textLength } = options;
    await compileModel({
      input: reference,
      out,
      target,
      ternarize: "none",
      activations: "f32",
      pipeline,
      signal,
      ...(resolution === undefined ? {} : { resolutions: [resolution] }),
      textLength,
    });
    return await use(out);
  } finally {
    await rm(folder, { recursive: true, force: true });
    isGone();
  }
}

async function drawAll(
  path: string,
  prompts: readonly string[],
  options: SamplingOptions,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<GeneratedPicture[]> {
  const { openGenerator } = await import("../../../runtime/node/generate.js");
  const generator = await openGenerator(path, options);
  const progress = terminal.progress(path, "steps");
  try {
    const pictures = [];
    for (const [i, prompt] of prompts.entries()) {
      const onStep = ({ step, steps }: { step: number; steps: number }) =>
        progress.update(i * steps + step, prompts.length * steps);
      const { seed, steps, sampler, guidance, textLength } = options;
      pictures.push(
        await generator.generate({
          prompt,
          seed: seed + i,
          steps,
          sampler,
          guidance,
          textLength,
          signal,
          ...options.resolution,
          onStep,
        }),
      );
    }
    return pictures;
  } finally {
    progress.stop();
    await generator.close();
  }
}

function notABundle(path: string): TritcError {
  return usageError({
    message: "not a bundle",
    place: path,
    expected: "a folder with a manifest.json",
    found: path,
    remedy:
      "compile the model first: tritc compile <model> --target cpu --ternarize none --activations f32 -o <folder>",
  });
}
