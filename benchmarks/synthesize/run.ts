/**
 * `npm run synthesize -- --model dev --double 19 --single 38 --seed 0 -o <folder>`: FLUX.1 as an ONNX export of the
 * real graph and the real size, with random weights.
 *
 * `npm run synthesize -- --model klein-4b --form mlx -o <folder>`: FLUX.2 klein 4B with ternary weights in groups of 128,
 * in Diffusers' layout, unpacked in f16 or as MLX quantizes them.
 *
 * `npm run synthesize -- --model t5-xxl -o <folder>`: a text encoder in bf16 as Transformers writes it (clip-l, t5-xxl,
 * qwen3-4b).
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { countOf } from "../../ir/tensor.js";
import { fluxSize, synthesizeFlux, WEIGHTS_NAME } from "./flux.js";
import { KLEIN_4B, kleinTensors, writeKleinFolder } from "./klein.js";
import { TEXT_MODELS, type TextModelName, writeTextFolder } from "./text.js";
import { type RandomTensor, writeSyntheticWeights, writeWhole } from "./weights.js";

type Model = "dev" | "schnell" | "klein-4b" | TextModelName;

interface Options {
  readonly model: Model;
  readonly form: "unpacked" | "mlx";
  readonly double?: number;
  readonly single?: number;
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
  .description(
    "write a network with random weights: FLUX.1 in bf16 as ONNX, FLUX.2 klein with ternary ones, a text encoder in bf16",
  )
  .addOption(
    new Option("--model <name>", "which")
      .choices(["dev", "schnell", "klein-4b", ...Object.keys(TEXT_MODELS)])
      .default("dev"),
  )
  .addOption(
    new Option("--form <name>", "klein: how ternary weights are stored")
      .choices(["unpacked", "mlx"])
      .default("unpacked"),
  )
  .option("--double <count>", "double blocks; the model's own if absent", count)
  .option("--single <count>", "single blocks; the model's own if absent", count)
  .option("--seed <seed>", "seed of the weights", count, 0)
  .option("--sparse", "leave the weight file a hole of zeros: enough to plan with, not to compile", false)
  .requiredOption("-o, --out <folder>", "where to write the model")
  .parse();
const options = program.opts<Options>();

const started = performance.now();
const { tensors, bytes } = await write(options.model);
const seconds = (performance.now() - started) / 1000;
const parameters = tensors.reduce((sum, { shape }) => sum + countOf(shape), 0);
process.stdout.write(
  `${options.out}: ${parameters.toLocaleString("en")} parameters, ${(bytes / 1e9).toFixed(2)} GB, ${seconds.toFixed(1)} s\n`,
);

interface Written {
  readonly tensors: readonly RandomTensor[];
  /** Of the weight file. */
  readonly bytes: number;
}

async function write(model: Model): Promise<Written> {
  if (model === "klein-4b") return writeKlein();
  return model === "dev" || model === "schnell" ? writeFlux(model) : writeText(model);
}

async function writeText(name: TextModelName): Promise<Written> {
  const model = TEXT_MODELS[name]();
  const { out: folder, seed, sparse } = options;
  const total = model.tensors.reduce((sum, { shape }) => sum + 2 * countOf(shape), 0);
  return {
    tensors: model.tensors,
    bytes: await writeTextFolder(folder, model, { seed, sparse, onProgress: progress(total) }),
  };
}

async function writeFlux(model: "dev" | "schnell"): Promise<Written> {
  const size = fluxSize(options.double ?? 19, options.single ?? 38);
  const { onnx, tensors, bytes } = synthesizeFlux(model, size);
  await mkdir(options.out, { recursive: true });
  await writeWhole(join(options.out, WEIGHTS_NAME), async (file) => {
    if (options.sparse) await file.truncate(bytes);
    else await writeSyntheticWeights(file, tensors, options.seed, progress(bytes));
  });
  await writeFile(join(options.out, "model.onnx"), onnx);
  return { tensors, bytes };
}

async function writeKlein(): Promise<Written> {
  const { double: doubleBlocks = KLEIN_4B.doubleBlocks, single: singleBlocks = KLEIN_4B.singleBlocks } =
    options;
  const sizes = { ...KLEIN_4B, doubleBlocks, singleBlocks };
  const { out: folder, form, seed, sparse } = options;
  const tensors = kleinTensors(sizes, 128);
  const onProgress = progress(tensors.reduce((sum, { shape }) => sum + 2 * countOf(shape), 0));
  const bytes = await writeKleinFolder(folder, sizes, tensors, { form, seed, sparse, onProgress });
  return { tensors, bytes };
}

/** Bytes written so far on a terminal, once a second. */
function progress(total: number): (bytes: number) => void {
  let done = 0;
  let shown = 0;
  return (bytes) => {
    done += bytes;
    if (!process.stderr.isTTY || performance.now() - shown < 1000) return;
    shown = performance.now();
    process.stderr.write(`\r${((100 * done) / total).toFixed(1)} %`);
  };
}
