/**
 * Scores the shapes model on all 360 prompts: a bundle through its kernels, or the transformer's graph in ONNX
 * Runtime with the same noise and schedule.
 *
 *     npm run score -- --bundle DIR | --transformer DIR  [--pipeline test/models/shapes]
 *         [--prompts test/models/shapes/eval/prompts.jsonl] [--steps 50] [--guidance 3.5] [--seed 0] [--threads N]
 *         [--json FILE] [--pictures DIR]
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodePng } from "../../runtime/node/png.js";
import { bundlePainter, ortPainter } from "./painters.js";
import { readPrompts } from "./prompts.js";
import { type ScoreSummary, TAGS } from "./score.js";
import { scorePainter } from "./score-painter.js";

const { values } = parseArgs({
  options: {
    bundle: { type: "string" },
    transformer: { type: "string" },
    pipeline: { type: "string", default: "test/models/shapes" },
    prompts: { type: "string", default: "test/models/shapes/eval/prompts.jsonl" },
    steps: { type: "string", default: "50" },
    guidance: { type: "string", default: "3.5" },
    seed: { type: "string", default: "0" },
    threads: { type: "string" },
    json: { type: "string" },
    pictures: { type: "string" },
  },
});
const { bundle, transformer, pipeline, pictures } = values;
const painting = {
  pipeline,
  steps: Number(values.steps),
  guidance: Number(values.guidance),
  threads: values.threads === undefined ? undefined : Number(values.threads),
};

function table({ tags, overall }: ScoreSummary): string {
  const rows = TAGS.map((tag) => `${tag.padEnd(14)} ${(tags[tag] ?? Number.NaN).toFixed(3)}`);
  return [...rows, `${"overall".padEnd(14)} ${overall.toFixed(3)}`].join("\n");
}

const prompts = await readPrompts(values.prompts);
const painter = await (bundle === undefined
  ? ortPainter(transformer ?? join(pipeline, "transformer"), painting)
  : bundlePainter(bundle, painting));
if (pictures !== undefined) await mkdir(pictures, { recursive: true });
const started = performance.now();
const summary = await scorePainter(painter, prompts, {
  seed: Number(values.seed),
  async onPicture(i, picture) {
    if (pictures !== undefined) await writeFile(join(pictures, `${i}.png`), encodePng(picture));
  },
});
const seconds = (performance.now() - started) / 1000;
console.log(table(summary));
console.log(`${summary.pictures} pictures in ${seconds.toFixed(0)} s`);
if (values.json !== undefined) {
  await writeFile(values.json, `${JSON.stringify({ ...summary, seconds, ...values }, null, 2)}\n`);
}
