import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { compileModel } from "../../compiler/compile.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { phasesThatRun } from "../../ir/program/phases.js";
import type { Tensor } from "../../ir/tensor.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { modelPath } from "./models.js";
import { type Closing, closeAll } from "./opened.js";
import type { BenchContext, Opened, Subject } from "./subject.js";

/** Of a picture: what is computed once for all steps is shared out over so many. On the software adapter each takes long. */
const STEPS = { cpu: 50, webgpu: 4 } as const;

const FORMS = [
  { name: "full precision", model: ["shapes"], ternarize: "none", activations: "f32" },
  {
    name: "ternary, f32 rows",
    model: ["shapes-ternary", "transformer"],
    ternarize: "exact",
    activations: "f32",
  },
  {
    name: "ternary, int8 rows",
    model: ["shapes-ternary", "transformer"],
    ternarize: "exact",
    activations: "int8",
  },
] as const;

/**
 * Steps of the shapes model and their updates, beside ONNX Runtime running the float graph. ONNX Runtime computes time embedding and
 * modulation in every step, a bundle once for all.
 */
export const SAMPLER: readonly Subject[] = [
  { name: "sampler/all steps of a picture (shapes model)", open: openPicture },
];

async function openPicture(context: BenchContext): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), "tritc-bench-"));
  const inputs = parseSafetensors(
    await readFile(await modelPath("shapes-ternary", "transformer", "inputs.safetensors")),
  );
  const parts: Closing[] = [await onnxRuntime(inputs, context)];
  for (const form of FORMS) parts.push(await bundleOf(form, inputs, folder, context));
  const opened = closeAll(parts);
  return {
    ...opened,
    async close() {
      await opened.close?.();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function onnxRuntime(
  inputs: ReadonlyMap<string, Tensor>,
  { target, threads }: BenchContext,
): Promise<Closing> {
  const session = await InferenceSession.create(await modelPath("shapes", "transformer", "model.onnx"), {
    executionProviders: [target],
    ...{ logSeverityLevel: 3, intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  const feeds = Object.fromEntries(
    [...inputs].map(([name, { data, shape }]) => [
      name,
      new OrtTensor("float32", Float32Array.from(data as Float32Array), [...shape]),
    ]),
  );
  const run = async () => {
    for (let step = 0; step < STEPS[target]; step++) await session.run(feeds);
  };
  return {
    task: { name: `ONNX Runtime, ${STEPS[target]} steps`, isPeer: true, run },
    close: () => session.release(),
  };
}

async function bundleOf(
  { name, model, ternarize, activations }: (typeof FORMS)[number],
  inputs: ReadonlyMap<string, Tensor>,
  folder: string,
  { target, device }: BenchContext,
): Promise<Closing> {
  const out = join(folder, name.replaceAll(/\W+/g, "-"));
  await compileModel({
    ...{ input: await modelPath(...model), pipeline: await modelPath("shapes") },
    ...{ out, target, ternarize, activations, resolutions: [{ width: 64, height: 64 }] },
  });
  const { program, code, weights } = await openBundle(out);
  const loaded = await (await device()).load(program, code, weights);
  await evaluateBundle(loaded, program, inputs);
  const steps = STEPS[target];
  await loaded.bind({ img_tokens: 16, txt_tokens: 12, steps });
  const step = [...phasesThatRun(program, "step"), "euler"];
  const run = async () => {
    await loaded.run(phasesThatRun(program, "prompt"), 0);
    for (let i = 0; i < steps; i++) await loaded.run(step, i);
  };
  return { task: { name: `${name}, ${steps} steps`, run }, close: () => loaded.close() };
}
