/**
 * The demonstration: compiles the shapes model in full precision and its ternary version with int8 activations,
 * draws the same prompts with the same seeds through both, and puts the pictures side by side.
 *
 *     npm run demo [-- --target cpu|webgpu] [--out demo]
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Terminal } from "../compiler/cli/terminal.js";
import { type CompileReport, compileModel } from "../compiler/compile.js";
import { openGenerator } from "../runtime/node/generate.js";
import { composeGrid } from "../runtime/node/grid.js";
import { encodePng } from "../runtime/node/png.js";
import { openAdapter } from "../runtime/node/webgpu.js";
import { unpackModels } from "./build/models.js";

const PROMPTS = [
  "a photo of a ring",
  "a photo of a red circle",
  "a photo of two triangles",
  "a photo of a yellow square",
  "a photo of a purple cross and a green ring",
  "a photo of a blue triangle",
  "a photo of two green circles",
  "a photo of an orange cross",
] as const;
const STEPS = 50;
const SEED = 1;
const SIZE = { width: 64, height: 64 } as const;

const { values } = parseArgs({
  options: { target: { type: "string" }, out: { type: "string", default: "demo" } },
});
const target = values.target ?? (await defaultTarget());
const terminal = new Terminal({});

/** WebGPU where a GPU drives it; else the cpu target. */
async function defaultTarget(): Promise<string> {
  try {
    const { release } = await openAdapter({ software: "never" });
    release();
    return "webgpu";
  } catch {
    return "cpu";
  }
}

interface Side {
  readonly label: string;
  readonly pictures: Awaited<ReturnType<typeof draw>>;
  readonly report: CompileReport;
  readonly secondsPerPicture: number;
}

async function draw(bundle: string, label: string) {
  const generator = await openGenerator(bundle);
  try {
    const pictures = [];
    const progress = terminal.progress(label, "steps");
    for (const [i, prompt] of PROMPTS.entries()) {
      const onStep = ({ step }: { step: number }) =>
        progress.update(i * STEPS + step, PROMPTS.length * STEPS);
      pictures.push(await generator.generate({ prompt, seed: SEED, steps: STEPS, ...SIZE, onStep }));
    }
    progress.stop();
    return pictures;
  } finally {
    await generator.close();
  }
}

async function side(
  label: string,
  input: string,
  ternarize: "none" | "exact",
  activations: "f32" | "int8",
): Promise<Side> {
  const out = join(values.out, label.replaceAll(" ", "-"));
  await rm(out, { recursive: true, force: true });
  terminal.note(
    `${label}: compiling ${input} for ${target}, then drawing ${PROMPTS.length} pictures of ${STEPS} steps`,
  );
  const report = await compileModel({
    input,
    out,
    target,
    ternarize,
    activations,
    resolutions: [SIZE],
    pipeline: "test/models/shapes",
  });
  const started = performance.now();
  const pictures = await draw(out, label);
  return {
    label,
    pictures,
    report,
    secondsPerPicture: (performance.now() - started) / 1000 / PROMPTS.length,
  };
}

await unpackModels("test/models");
await mkdir(values.out, { recursive: true });
const full = await side("full precision", "test/models/shapes", "none", "f32");
const ternary = await side("ternary", "test/models/shapes-distilled/transformer", "exact", "int8");
const pairs = PROMPTS.flatMap((_, i) => [full, ternary].flatMap(({ pictures }) => pictures[i] ?? []));
const labels = PROMPTS.flatMap(() => ["full", "ternary"]);
const grid = join(values.out, "grid.png");
await writeFile(
  grid,
  encodePng(composeGrid(pairs, 4, labels), { Software: "tritc", prompts: PROMPTS.join("\n") }),
);

for (const { label, report, secondsPerPicture } of [full, ternary]) {
  terminal.note(
    `${label}: weights ${(report.weightBytes / 1e6).toFixed(2)} MB, ${secondsPerPicture.toFixed(2)} s a picture (${STEPS} steps, target ${target})`,
  );
}
terminal.note(`same prompts, same seeds, full precision beside ternary: ${grid}`);
