/**
 * Time of one denoising step of the shapes model: a bundle's kernels against ONNX Runtime running the float graph,
 * on the same processor threads (cpu) or the same adapter (webgpu), in one process.
 *
 *   npm run build && node dist/benchmarks/step.js [--target cpu|webgpu] [--threads 2] [--gpu]
 *
 * ONNX Runtime computes the time embedding and the modulation in every call; a bundle does so once per prompt for
 * all steps, and that phase is measured too and shared out over 50 steps.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { Bench } from "tinybench";
import { compileModel } from "../compiler/compile.js";
import { parseSafetensors } from "../ir/format/safetensors.js";
import type { Tensor } from "../ir/tensor.js";
import type { Device } from "../runtime/device.js";
import { evaluateBundle } from "../runtime/evaluate.js";
import { openBundle } from "../runtime/node/bundle.js";
import { openDevice } from "../runtime/node/open-device.js";
import { loadVulkanLoader, prepareSoftwareVulkan } from "../runtime/node/software-adapter.js";
import { unpackModels } from "./build/models.js";

const STEPS = 50;
const SIZE = { width: 64, height: 64 } as const;
const MODELS = "test/models";

const { values } = parseArgs({
  options: {
    target: { type: "string", default: "cpu" },
    threads: { type: "string", default: String(availableParallelism()) },
    gpu: { type: "boolean", default: false },
  },
});
const threads = Number(values.threads);
if (values.target === "webgpu" && !values.gpu) {
  // ONNX Runtime has a Dawn of its own, which finds drivers as every Vulkan program does.
  const { icd, loader } = await prepareSoftwareVulkan();
  await loadVulkanLoader(async () => loader);
  process.env.VK_ICD_FILENAMES = icd;
  process.env.VK_DRIVER_FILES = icd;
}

async function addOrt(bench: Bench, inputs: ReadonlyMap<string, Tensor>): Promise<void> {
  const session = await InferenceSession.create(`${MODELS}/shapes/transformer/model.onnx`, {
    executionProviders: [values.target],
    logSeverityLevel: 3,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const feeds = Object.fromEntries(
    [...inputs].map(([name, { data, shape }]) => [
      name,
      new OrtTensor("float32", Float32Array.from(data as Float32Array), [...shape]),
    ]),
  );
  bench.add("onnxruntime f32", async () => {
    await session.run(feeds);
  });
}

async function addBundle(
  bench: Bench,
  device: Device,
  folder: string,
  inputs: ReadonlyMap<string, Tensor>,
  name: string,
  options: {
    readonly input: string;
    readonly ternarize: "none" | "exact";
    readonly activations: "f32" | "int8";
  },
): Promise<void> {
  const out = join(folder, name.replaceAll(" ", "-"));
  await compileModel({
    ...options,
    out,
    target: values.target,
    resolutions: [SIZE],
    pipeline: `${MODELS}/shapes`,
  });
  const bundle = await openBundle(out);
  const loaded = await device.load(bundle.program, bundle.code, bundle.weights);
  await evaluateBundle(loaded, bundle.program, inputs);
  await loaded.bind({ img_tokens: 16, txt_tokens: 12, steps: STEPS });
  bench.add(name, () => loaded.run(["step", "euler"], 7));
  bench.add(`${name}, once per prompt`, () => loaded.run(["prompt"], 0));
}

await unpackModels(MODELS);
const folder = await mkdtemp(join(tmpdir(), "tritc-step-"));
try {
  const inputs = parseSafetensors(await readFile(`${MODELS}/shapes-ternary/transformer/inputs.safetensors`));
  const bench = new Bench({ time: 1500, warmupTime: 500, iterations: 5 });
  await addOrt(bench, inputs);
  const device = await openDevice(values.target, { threads, software: !values.gpu });
  await addBundle(bench, device, folder, inputs, "f32", {
    input: `${MODELS}/shapes`,
    ternarize: "none",
    activations: "f32",
  });
  await addBundle(bench, device, folder, inputs, "ternary f32", {
    input: `${MODELS}/shapes-ternary/transformer`,
    ternarize: "exact",
    activations: "f32",
  });
  await addBundle(bench, device, folder, inputs, "ternary int8", {
    input: `${MODELS}/shapes-ternary/transformer`,
    ternarize: "exact",
    activations: "int8",
  });
  await bench.run();
  const median = (name: string) => {
    const result = bench.getTask(name)?.result;
    if (result?.state !== "completed") throw new Error(`${name}: ${result?.state}`);
    return result.latency.p50;
  };
  const reference = median("onnxruntime f32");
  console.log(
    `shapes model, ${device.description}; ONNX Runtime with ${threads} threads; median of one step`,
  );
  console.log(`${"onnxruntime f32".padEnd(16)} ${reference.toFixed(2).padStart(8)} ms`);
  for (const name of ["f32", "ternary f32", "ternary int8"]) {
    const milliseconds = median(name) + median(`${name}, once per prompt`) / STEPS;
    console.log(
      `${name.padEnd(16)} ${milliseconds.toFixed(2).padStart(8)} ms  ${(reference / milliseconds).toFixed(2)}x`,
    );
  }
  await device.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
