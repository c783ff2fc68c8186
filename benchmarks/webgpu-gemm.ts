/**
 * One linear layer on WebGPU: our kernels beside ONNX Runtime's MatMul and MatMulNBits, on the same adapter in the same
 * process, one run of each after the other, so that what else the machine does is everybody's. By default SwiftShader, as
 * everywhere without a GPU; `--driver` takes the Vulkan driver of a manifest, `--gpu` what the system has.
 *
 *   node dist/benchmarks/webgpu-gemm.js [--m 512] [--k 3072] [--n 3072] [--repeat 3] [--only ternary,NBits]
 *     [--driver /usr/share/vulkan/icd.d/lvp_icd.json] [--hardware] [--gpu]
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadVulkanLoader, prepareSoftwareVulkan } from "../runtime/node/software-adapter.js";
import { createNodeWebGpuDevice } from "../runtime/node/webgpu-device.js";
import { type Contender, errorOf, type Layer, makeLayer } from "./webgpu-gemm/layer.js";
import { prepareOurs, variantsOf } from "./webgpu-gemm/ours.js";
import { loadedDrivers, PEERS, preparePeer } from "./webgpu-gemm/peers.js";

interface Result {
  readonly name: string;
  /** Of the fastest run. */
  readonly milliseconds: number;
  /** Of all processors, of the run that took least of it; on a software adapter that is the work itself. */
  readonly processorMs: number;
  /** Median over the rounds of the first contender's time divided by this one's: time that passed, and processor time. */
  readonly ratio: number;
  readonly processorRatio: number;
  readonly error: number;
}

interface Options {
  readonly repeat: number;
  readonly gpu: boolean;
  /** Kernels for real GPUs, also on an adapter that runs on the CPU. */
  readonly hardware: boolean;
  readonly driver: string | undefined;
  /** Parts of the names of contenders; all if empty. */
  readonly only: readonly string[];
}

interface Sample {
  readonly passed: number;
  readonly processor: number;
}

async function sampleOf(contender: Contender): Promise<Sample> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await contender.run();
  const { user, system } = process.cpuUsage(before);
  return { passed: performance.now() - start, processor: (user + system) / 1000 };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** ONNX Runtime has a Dawn of its own, which finds drivers as every Vulkan program does. */
async function nameDriver(driver: string | undefined): Promise<void> {
  const { icd, loader } = await prepareSoftwareVulkan();
  await loadVulkanLoader(async () => loader);
  process.env.VK_ICD_FILENAMES = driver ?? icd;
  process.env.VK_DRIVER_FILES = driver ?? icd;
}

async function prepareAll(
  layer: Layer,
  { gpu, hardware, only }: Options,
): Promise<{ readonly contenders: readonly Contender[]; readonly adapter: string; close(): Promise<void> }> {
  const wanted = ({ name }: { readonly name: string }) =>
    only.length === 0 || only.some((part) => name.includes(part));
  const device = await createNodeWebGpuDevice({
    software: gpu ? "never" : "always",
    ...(hardware ? { hardware } : {}),
  });
  const contenders: Contender[] = [];
  for (const peer of PEERS.filter(wanted)) contenders.push(await preparePeer(layer, peer));
  for (const variant of variantsOf(layer).filter(wanted)) {
    contenders.push(await prepareOurs(device, layer, variant));
  }
  return {
    contenders,
    adapter: device.description,
    async close() {
      for (const contender of contenders) await contender.close();
      await device.close();
    },
  };
}

/** Measures the layer on every contender, `repeat` rounds after one to warm up. */
async function compareGemm(layer: Layer, options: Options) {
  if (!options.gpu) await nameDriver(options.driver);
  const { contenders, adapter, close } = await prepareAll(layer, options);
  try {
    const rounds: Sample[][] = [];
    for (let round = 0; round <= options.repeat; round++) {
      const samples: Sample[] = [];
      for (const contender of contenders) {
        console.error(`round ${round} of ${options.repeat}: ${contender.name}`);
        samples.push(await sampleOf(contender));
      }
      if (round > 0) rounds.push(samples);
    }
    const results: Result[] = [];
    for (const [i, contender] of contenders.entries()) {
      const over = (pick: (sample: Sample) => number) => rounds.map((samples) => pick(samples[i] as Sample));
      const against = (pick: (sample: Sample) => number) =>
        median(rounds.map((samples) => pick(samples[0] as Sample) / pick(samples[i] as Sample)));
      results.push({
        name: contender.name,
        milliseconds: Math.min(...over(({ passed }) => passed)),
        processorMs: Math.min(...over(({ processor }) => processor)),
        ratio: against(({ passed }) => passed),
        processorRatio: against(({ processor }) => processor),
        error: errorOf(layer, await contender.result()),
      });
    }
    return { adapter, drivers: await loadedDrivers(), results };
  } finally {
    await close();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      m: { type: "string", default: "512" },
      k: { type: "string", default: "3072" },
      n: { type: "string", default: "3072" },
      repeat: { type: "string", default: "3" },
      only: { type: "string", default: "" },
      driver: { type: "string" },
      hardware: { type: "boolean", default: false },
      gpu: { type: "boolean", default: false },
    },
  });
  const layer = makeLayer({ m: Number(values.m), k: Number(values.k), n: Number(values.n) });
  const { adapter, drivers, results } = await compareGemm(layer, {
    repeat: Number(values.repeat),
    gpu: values.gpu,
    hardware: values.hardware,
    driver: values.driver,
    only: values.only.split(",").filter((part) => part !== ""),
  });
  const { m, k, n } = layer;
  console.log(
    `[${m}, ${k}] x [${k}, ${n}] on ${adapter} (loaded drivers: ${drivers.join(", ") || "unknown"})`,
  );
  for (const { name, milliseconds, processorMs, ratio, processorRatio, error } of results) {
    const rate = (m * k * n) / milliseconds / 1e6;
    console.log(
      `${name.padEnd(32)} ${milliseconds.toFixed(1).padStart(9)} ms ${ratio.toFixed(2).padStart(6)}x   ` +
        `processor ${processorMs.toFixed(1).padStart(9)} ms ${processorRatio.toFixed(2).padStart(6)}x   ` +
        `${rate.toFixed(2).padStart(7)} GMAC/s  error ${error.toExponential(1)}`,
    );
  }
  console.log(JSON.stringify({ m, k, n, adapter, drivers, results }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
