/**
 * Scores the shapes model on all 360 prompts: a bundle through its kernels, or the transformer's graph in ONNX
 * Runtime with the same noise and schedule.
 *
 *     npm run score -- --bundle DIR | --transformer DIR  [--pipeline test/models/shapes] [--steps 50]
 *         [--guidance 3.5] [--seed 0] [--threads N] [--json FILE] [--pictures DIR]
 *
 * The picture of prompt i has the seed `seed + i`, so any one of them can be made again alone.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openGenerator } from "../../runtime/node/generate.js";
import type { Picture } from "../../runtime/node/picture.js";
import { encodePng } from "../../runtime/node/png.js";
import { type OrtJob, openOrtSampler } from "../ort-reference.js";
import { readPicture } from "./detect.js";
import { readPrompts } from "./prompts.js";
import { type ScoreSummary, scorePicture, summarize, TAGS } from "./score.js";

/** Draws one picture per job. */
interface Painter {
  readonly batch: number;
  draw(jobs: readonly OrtJob[]): Promise<readonly Picture[]>;
  close(): Promise<void>;
}

const { values } = parseArgs({
  options: {
    bundle: { type: "string" },
    transformer: { type: "string" },
    pipeline: { type: "string", default: "test/models/shapes" },
    steps: { type: "string", default: "50" },
    guidance: { type: "string", default: "3.5" },
    seed: { type: "string", default: "0" },
    threads: { type: "string" },
    json: { type: "string" },
    pictures: { type: "string" },
  },
});
const steps = Number(values.steps);
const guidance = Number(values.guidance);
const threads = values.threads === undefined ? undefined : Number(values.threads);

async function bundlePainter(folder: string): Promise<Painter> {
  const generator = await openGenerator(folder, { threads, pipeline: values.pipeline });
  return {
    batch: 1,
    draw: (jobs) =>
      Promise.all(jobs.map((job) => generator.generate({ ...job, steps, guidance, width: 64, height: 64 }))),
    close: () => generator.close(),
  };
}

async function ortPainter(transformer: string): Promise<Painter> {
  const sampler = await openOrtSampler(transformer, values.pipeline, threads);
  return {
    batch: 24,
    draw: async (jobs) => (await sampler.sample(jobs, { steps, guidance })).map((s) => s.picture),
    close: () => sampler.close(),
  };
}

function table({ tags, overall }: ScoreSummary): string {
  const rows = TAGS.map((tag) => `${tag.padEnd(14)} ${(tags[tag] ?? Number.NaN).toFixed(3)}`);
  return [...rows, `${"overall".padEnd(14)} ${overall.toFixed(3)}`].join("\n");
}

const prompts = await readPrompts(join(values.pipeline, "eval", "prompts.jsonl"));
const painter = await (values.bundle === undefined
  ? ortPainter(values.transformer ?? join(values.pipeline, "transformer"))
  : bundlePainter(values.bundle));
if (values.pictures !== undefined) await mkdir(values.pictures, { recursive: true });
const started = performance.now();
const results = [];
for (let at = 0; at < prompts.length; at += painter.batch) {
  const records = prompts.slice(at, at + painter.batch);
  const jobs = records.map(({ prompt }, i) => ({ prompt, seed: Number(values.seed) + at + i }));
  const pictures = await painter.draw(jobs);
  for (const [i, record] of records.entries()) {
    const picture = pictures[i];
    if (picture === undefined) throw new Error(`no picture for prompt ${at + i}`);
    const detections = readPicture(picture.rgb, picture.width, picture.height);
    results.push({ tag: record.tag, correct: scorePicture(detections, record) });
    if (values.pictures !== undefined)
      await writeFile(join(values.pictures, `${at + i}.png`), encodePng(picture));
  }
}
await painter.close();
const summary = summarize(results);
const seconds = (performance.now() - started) / 1000;
console.log(table(summary));
console.log(`${summary.pictures} pictures in ${seconds.toFixed(0)} s`);
if (values.json !== undefined) {
  await writeFile(values.json, `${JSON.stringify({ ...summary, seconds, ...values }, null, 2)}\n`);
}
