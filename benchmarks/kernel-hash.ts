/**
 * One hash over the sources of all kernels of the shapes model and of FLUX.1-dev, for WebAssembly, WGSL and every CUDA
 * architecture, with every kind of activations and attention: equal before and after a change that should leave kernels
 * as they are. The sampler's update is left out. Prints one line per target, then the hash of them all.
 *
 *   npm run kernels:hash -- [--list]
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { generateKernels } from "../compiler/codegen/generate-kernels.js";
import { compileGraph, importAndRecognize } from "../compiler/compile-graph.js";
import { fileReader } from "../compiler/file-reader.js";
import { launchesThatRun } from "../ir/program/phases.js";
import {
  ARCHITECTURES,
  type Architecture,
  attentionProducts,
  cpu,
  type Target,
  webgpu,
} from "../targets/index.js";
import { unpackModels } from "./build/models.js";
import { targetFor } from "./check-cuda/kernels.js";
import { FLUX_DEV_KERNELS, fluxGraph } from "./flux-graph.js";

const { values } = parseArgs({ options: { list: { type: "boolean" } } });
const models = join(fileURLToPath(new URL("../../", import.meta.url)), "test", "models");
await unpackModels(models);
const reader = fileReader();
const GRAPHS = [
  {
    graph: importAndRecognize(join(models, "shapes", "transformer", "model.onnx"), reader),
    sizes: { img_tokens: 16, txt_tokens: 12, steps: 50 },
  },
  { graph: fluxGraph(FLUX_DEV_KERNELS), sizes: { img_tokens: 3600, txt_tokens: 512, steps: 50 } },
];

/** Sources of the kernels that a compilation for a target selects, each once, by kernel. */
async function sourcesFor(target: Target): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>();
  for (const activations of target.activations) {
    for (const products of attentionProducts(target, activations)) {
      for (const { graph, sizes } of GRAPHS) {
        const { lowered } = await compileGraph(graph, reader, {
          target,
          options: { ternarize: "exact", activations },
          sizes,
          batchAxes: new Map(),
          attention: products,
          codegen: { emit: "source" },
        });
        const model = new Set(
          launchesThatRun(lowered.program, "load", "prompt", "step").map(({ kernel }) => kernel),
        );
        const updates = launchesThatRun(lowered.program, "update").map(({ kernel }) => kernel);
        const samplers = new Set(updates.filter((id) => !model.has(id)));
        for (const selected of lowered.kernels) {
          if (samplers.has(selected.kernel.id)) continue;
          const [made] = await generateKernels([selected], { target, emit: "source" });
          const source = made?.source ?? "";
          sources.set(`${selected.kernel.id} ${sha256(source)}`, source);
        }
      }
    }
  }
  return sources;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const targets = [cpu, webgpu, ...(Object.keys(ARCHITECTURES) as Architecture[]).map(targetFor)];
const lines: string[] = [];
for (const target of targets) {
  const names = [...(await sourcesFor(target)).keys()].sort();
  if (values.list === true) for (const name of names) console.log(`${target.name} ${name}`);
  lines.push(`${target.name} ${names.length} kernels ${sha256(names.join("\n"))}`);
}
reader.close();
console.log(`${lines.join("\n")}\nall ${sha256(lines.join("\n"))}`);
