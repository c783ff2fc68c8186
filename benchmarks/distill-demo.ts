/**
 * The shapes model from full precision to a scored ternary bundle, on the CPU and without reading a picture: the model draws
 * its own training data from text, ternary weights are trained on it, and every form is scored on 360 other prompts: rounded
 * without data (`absmean`, `exact`), by GPTQ (`calibrated`), and trained (`blocks`: block by block; `endToEnd`: from there, as a whole; `kernels`: that
 * with int8 activations).
 *
 *     npm run distill-demo [-- --out distill-demo] [--samples 1536] [--steps 400] [--batch 96] [--threads N]
 *
 * What is done in the output folder is not done again. `report.html` there has the scores and all other measures of each form, and
 * some pictures; the last line is JSON: the overall scores, and what they took.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { calibrate } from "../compiler/calibrate/calibrate.js";
import { Terminal } from "../compiler/cli/terminal.js";
import { psnr } from "../compiler/compare/psnr.js";
import { ssim } from "../compiler/compare/ssim.js";
import { compileModel } from "../compiler/compile.js";
import { exportOnnx } from "../compiler/onnx-export/index.js";
import { distillBlocks } from "../compiler/train/blocks/distill-blocks.js";
import { distill } from "../compiler/train/distill.js";
import type { Picture } from "../runtime/pipeline/picture.js";
import { unpackModels } from "./build/models.js";
import { type ScoredForm, writeDistillReport } from "./distill-report.js";
import { bundlePainter, ortPainter, type Painter } from "./shapes-score/painters.js";
import { readPrompts } from "./shapes-score/prompts.js";
import { type ScoreSummary, TAGS } from "./shapes-score/score.js";
import { scorePainter } from "./shapes-score/score-painter.js";

const PIPELINE = "test/models/shapes";
/** Denoising steps of the training data, and of the pictures that are scored. */
const DRAWN_STEPS = 16;
const STEPS = 50;
/** What stage 1 is calibrated with. */
const MOMENT_PROMPTS = 192;
const MOMENT_STEPS = 12;

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "distill-demo" },
    samples: { type: "string", default: "1536" },
    steps: { type: "string", default: "400" },
    batch: { type: "string", default: "96" },
    threads: { type: "string" },
  },
});
const threads = values.threads === undefined ? undefined : Number(values.threads);
const at = (name: string) => join(values.out, name);
const terminal = new Terminal({});
const seconds: Record<string, number> = {};

/** Does a piece of work unless its result is there; remembers how long it took. */
async function once(name: string, make: (out: string) => Promise<unknown>): Promise<string> {
  const out = at(name);
  if (existsSync(out)) return out;
  terminal.note(`${name} …`);
  const started = performance.now();
  await make(out);
  seconds[name] = Math.round((performance.now() - started) / 1000);
  return out;
}

await unpackModels("test/models");
await mkdir(values.out, { recursive: true });

const prompts = (await readFile(join(PIPELINE, "eval", "calibration_prompts.txt"), "utf8"))
  .trim()
  .split("\n");
// Goes on by itself with what is missing.
const calibration = at("calibration");
const drawing = terminal.progress("drawing", "samples");
const drawn = await calibrate({
  ...{ input: PIPELINE, out: calibration, prompts, threads, batch: 64, steps: DRAWN_STEPS },
  samples: Number(values.samples),
  onProgress: ({ phase, done, total }) => phase === "samples" && drawing.update(done, total),
}).finally(() => drawing.stop());
seconds.calibration = Math.round(drawn.seconds);

const byBlocks = await once("blocks", async (out) => {
  const progress = terminal.progress("training blocks", "steps");
  await distillBlocks({
    ...{ input: PIPELINE, calibration, out, threads },
    onProgress({ phase, index, blocks, done, total, loss = 0 }) {
      if (phase === "training") progress.update((index - 1) * total + done, blocks * total, { loss });
    },
  }).finally(() => progress.stop());
});
const distilled = await once("distilled", async (out) => {
  const progress = terminal.progress("training", "steps");
  await distill({
    ...{ input: PIPELINE, calibration, out, threads },
    start: byBlocks,
    steps: Number(values.steps),
    batch: Number(values.batch),
    onProgress: ({ step, steps, loss }) => progress.update(step, steps, { loss }),
  }).finally(() => progress.stop());
});
const compiled = { target: "cpu", pipeline: PIPELINE, resolutions: [{ width: 64, height: 64 }] };
const bundle = await once("bundle", (out) =>
  compileModel({ ...compiled, input: distilled, out, ternarize: "exact", activations: "int8" }),
);
const calibrated = await once("calibrated", async (out) => {
  const moments = { input: PIPELINE, out: at("moments"), prompts: prompts.slice(0, MOMENT_PROMPTS), threads };
  await calibrate({ ...moments, batch: 32, steps: MOMENT_STEPS, moments: true });
  await exportOnnx({ input: PIPELINE, out, ternarize: "calibrated", calibration: moments.out, threads });
});
const plain = (method: "absmean" | "exact") =>
  once(method, (out) => exportOnnx({ input: PIPELINE, out, ternarize: method }));

const painting = { pipeline: PIPELINE, steps: STEPS, guidance: 3.5, threads };
const forms: Readonly<Record<string, () => Promise<Painter>>> = {
  full: () => ortPainter(join(PIPELINE, "transformer"), painting),
  absmean: async () => ortPainter(await plain("absmean"), painting),
  exact: async () => ortPainter(await plain("exact"), painting),
  calibrated: () => ortPainter(calibrated, painting),
  blocks: () => ortPainter(byBlocks, painting),
  endToEnd: () => ortPainter(distilled, painting),
  kernels: () => bundlePainter(bundle, painting),
};
const records = await readPrompts(join(PIPELINE, "eval", "prompts.jsonl"));
const scores: Record<string, ScoreSummary> = {};
const scored: ScoredForm[] = [];
const reference: Picture[] = [];
for (const [form, open] of Object.entries(forms)) {
  const started = performance.now();
  const progress = terminal.progress(`scoring ${form}`, "pictures");
  const sums = { psnr: 0, ssim: 0 };
  scores[form] = await scorePainter(await open(), records, {
    seed: 0,
    onPicture(i, picture) {
      progress.update(i + 1, records.length);
      if (form === "full") reference.push(picture);
      sums.psnr += Math.min(99, psnr(picture, reference[i] ?? picture));
      sums.ssim += ssim(picture, reference[i] ?? picture);
    },
  });
  progress.stop();
  const mean = { psnr: sums.psnr / records.length, ssim: sums.ssim / records.length };
  scored.push({ name: form, score: scores[form], ...mean });
  seconds[`score ${form}`] = Math.round((performance.now() - started) / 1000);
  console.log(row(form, scores[form]));
}
const compared = {
  ...{ reference: PIPELINE, calibration: at("moments"), pipeline: PIPELINE, steps: STEPS, threads },
  others: [at("absmean"), at("exact"), calibrated, byBlocks, distilled, bundle],
};
await writeDistillReport(at("report.html"), compared, records, scored);
await rm(at("absmean"), { recursive: true });
await rm(at("exact"), { recursive: true });
const overall = Object.fromEntries(Object.entries(scores).map(([form, score]) => [form, score.overall]));
const pictures = Object.fromEntries(scored.map(({ name, psnr, ssim }) => [name, { psnr, ssim }]));
console.log(JSON.stringify({ ...overall, pictures, seconds }));

function row(form: string, { tags, overall: mean }: ScoreSummary): string {
  const numbers = TAGS.map((tag) => `${tag} ${(tags[tag] ?? Number.NaN).toFixed(2)}`);
  return `${form.padEnd(9)} ${numbers.join("  ")}  overall ${mean.toFixed(3)}`;
}
