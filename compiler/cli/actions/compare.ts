import { meansOf } from "../../compare/comparison.js";
import type { HubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { modelPath } from "../model-path.js";
import { Output } from "../output.js";
import { readPrompts } from "../prompts.js";
import type { SamplingOptions } from "../sampling-options.js";
import { type Progress, Terminal, table } from "../terminal.js";
import { usageError } from "../usage-error.js";

export interface CompareCommandOptions extends SamplingOptions, HubOptions {
  readonly prompts?: string;
  readonly count?: number;
  readonly calibration?: string;
  readonly out?: string;
}

/** A PNG holds pictures side by side; an HTML page, or no file, all measures. */
export async function runCompare(
  reference: string,
  others: readonly string[],
  options: CompareCommandOptions,
): Promise<void> {
  const { prompts, out } = options;
  const isPage = out === undefined || /\.html?$/i.test(out);
  if (prompts === undefined && (!isPage || options.calibration === undefined)) {
    throw usageError({
      message: "there is nothing to compare",
      place: "tritc compare",
      expected: isPage ? "--prompts <file>, --calibration <folder>, or both" : "--prompts <file>",
      remedy: "give a file of prompts, such as one a line",
    });
  }
  if (isPage) return measure(reference, others, options);
  const [bundle, second] = others;
  for (const name of ["count", "calibration"] as const)
    if (options[name] !== undefined) throw pageOnly(`--${name}`);
  if (second !== undefined || bundle === undefined) throw pageOnly(second ?? "");
  const { drawGrid } = await loaded(import("./compare-grid.js"), options);
  return drawGrid(await modelPath(reference, "pipeline", options), bundle, {
    ...options,
    out,
    prompts: prompts ?? "",
  });
}

async function measure(
  reference: string,
  others: readonly string[],
  options: CompareCommandOptions,
): Promise<void> {
  const { io, sampler, out, prompts: file, ...rest } = options;
  if (sampler !== undefined && sampler !== "euler") {
    throw usageError({
      message: "models are compared step by step along Euler's method",
      place: `--sampler ${sampler}`,
      expected: "--sampler euler",
      remedy: "leave --sampler out, or write a picture grid: -o grid.png",
    });
  }
  const output = out === undefined ? undefined : await Output.open({ ...options, out }, "HTML");
  const prompts = file === undefined ? [] : await readPrompts(file, options);
  const [{ compareModels }, { renderComparison }] = await loaded(
    Promise.all([import("../../compare/compare.js"), import("../../compare/report.js")]),
    options,
  );
  const { token: _token, offline: _offline, ...asked } = rest;
  const paths = [];
  for (const path of [reference, ...others]) paths.push(await modelPath(path, "pipeline", options));
  const [first = reference, ...compared] = paths;
  const terminal = new Terminal(options);
  let shown: { readonly label: string; readonly progress: Progress } | undefined;
  const comparison = await compareModels({
    ...{ ...asked, reference: first, others: compared, prompts },
    signal: io.interruptSignal(),
    onProgress({ phase, path, done, total }) {
      const label = phase === "steps" ? path : `${path}, ${phase}`;
      if (label !== shown?.label) {
        shown?.progress.stop();
        shown = { label, progress: terminal.progress(label, phase === "weights" ? "tensors" : phase) };
      }
      shown.progress.update(done, total);
    },
  }).finally(() => shown?.progress.stop());
  await output?.write([Buffer.from(renderComparison(comparison))]);
  const { drawn, models, ...facts } = comparison;
  const { files: _, ...conditions } = drawn ?? { files: null };
  const results = models.map((model) => ({ ...model, means: meansOf(model) }));
  const report = { ...facts, ...(drawn === null ? { samples: [] } : conditions), models: results };
  terminal.result({ out: out ?? null, ...report }, textOf(results, out));
}

function textOf(
  models: readonly { readonly path: string; readonly means: ReturnType<typeof meansOf> }[],
  out: string | undefined,
): string {
  const number = (value: number | null, digits: number) => (value === null ? "-" : value.toFixed(digits));
  const rows = models.map(({ path, means }) => [
    path,
    number(means.velocityError, 4),
    number(means.latentDistance, 4),
    number(means.psnr, 2),
    number(means.ssim, 4),
    number(means.layerError, 4),
  ]);
  const text = table([["model", "velocity", "latents", "PSNR", "SSIM", "layers"], ...rows]);
  return out === undefined ? text : `${text}\n${out}`;
}

function pageOnly(place: string) {
  return usageError({
    message: "a picture grid is of one bundle beside the reference",
    place,
    expected: "-o <name>.html, or no -o",
    remedy: "write an HTML page, which has all measures and pictures",
  });
}
