/**
 * `npm run synthesize -- --model dev --double 19 --single 38 --seed 0 -o <folder>`: FLUX.1 as an ONNX export of the
 * real graph and the real size, with random weights.
 */
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { fluxSize, synthesizeFlux, WEIGHTS_NAME } from "./flux.js";
import { writeSyntheticWeights } from "./weights.js";

interface Options {
  readonly model: "dev" | "schnell";
  readonly double: number;
  readonly single: number;
  readonly seed: number;
  readonly sparse: boolean;
  readonly out: string;
}

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${text} is no whole number`);
  return value;
};

const program = new Command("synthesize")
  .description("write a FLUX.1 transformer with random bf16 weights as ONNX with external data")
  .addOption(new Option("--model <name>", "which FLUX.1").choices(["dev", "schnell"]).default("dev"))
  .option("--double <count>", "double blocks", count, 19)
  .option("--single <count>", "single blocks", count, 38)
  .option("--seed <seed>", "seed of the weights", count, 0)
  .option("--sparse", "leave the weight file a hole of zeros: enough to plan with, not to compile", false)
  .requiredOption("-o, --out <folder>", "where to write model.onnx and its data")
  .parse();
const options = program.opts<Options>();

const { onnx, tensors, bytes } = synthesizeFlux(options.model, fluxSize(options.double, options.single));
await mkdir(options.out, { recursive: true });
const part = join(options.out, `${WEIGHTS_NAME}.part`);
const started = performance.now();
const file = await open(part, "w");
try {
  if (options.sparse) await file.truncate(bytes);
  else await writeSyntheticWeights(file, tensors, options.seed, progress(bytes));
} finally {
  await file.close();
}
await rename(part, join(options.out, WEIGHTS_NAME));
await writeFile(join(options.out, "model.onnx"), onnx);
const seconds = (performance.now() - started) / 1000;
const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
process.stdout.write(
  `${join(options.out, "model.onnx")}: ${parameters.toLocaleString("en")} parameters, ${(bytes / 1e9).toFixed(2)} GB, ${seconds.toFixed(1)} s\n`,
);

/** Bytes written so far on a terminal, once a second. */
function progress(total: number): (bytesOfTensor: number) => void {
  let before = 0;
  let done = 0;
  let shown = 0;
  return (bytesOfTensor) => {
    done += bytesOfTensor < before ? bytesOfTensor : bytesOfTensor - before;
    before = bytesOfTensor;
    if (!process.stderr.isTTY || performance.now() - shown < 1000) return;
    shown = performance.now();
    process.stderr.write(`\r${((100 * done) / total).toFixed(1)} %`);
  };
}
