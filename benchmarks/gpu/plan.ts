/**
 * Compiles what the GPU benchmark runs: parts of FLUX.1-dev (`cases.ts`) and the whole transformer, without weights,
 * for a machine that has a GPU and neither a compiler nor a model.
 *
 *   npm run gpu-plan -- --target h200 -o plan
 *   plan/run.sh results        on this machine, or after `tritc pack-runner plan -o runner.tar.gz` on another
 */

import { createHash } from "node:crypto";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { generateKernels } from "../../compiler/codegen/generate-kernels.js";
import { type Planned, planGraph } from "../../compiler/compile-graph.js";
import { packageRoot } from "../../compiler/deploy/packages.js";
import type { LoweredProgram } from "../../compiler/lower/index.js";
import { packageVersion } from "../../compiler/version.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { printProgram } from "../../ir/program/json.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import { cacheDir } from "../../runtime/node/cache-dir.js";
import { type Activations, type Target, targetByName } from "../../targets/index.js";
import { FLUX_DEV, fluxGraph } from "../flux-graph.js";
import { CASES } from "./cases.js";
import type { PlannedTensor } from "./random-weights.js";

/** A program of a plan: `<folder>/program.json`, `<folder>/graph.ir`, kernels by content in `kernels/`. */
export interface PlannedProgram {
  readonly name: string;
  readonly folder: string;
  readonly activations: Activations;
  readonly tensors: readonly PlannedTensor[];
  /** File of each kernel's binary. */
  readonly kernels: Readonly<Record<string, string>>;
}

export interface Plan {
  readonly tritc: string;
  readonly target: string;
  readonly cases: readonly PlannedProgram[];
  readonly models: readonly PlannedProgram[];
}

const SIZES = { img_tokens: 4096, txt_tokens: 512, steps: 50, m: 4608, t: 4608 };

/** Passes and lowering for a graph whose weights are never read, with rows in bf16 as a transformer has them. */
export function planProgram(graph: Graph, target: Target, activations: Activations): Planned {
  const reader = {
    read(): Uint8Array {
      throw new Error("planning reads no weights");
    },
  };
  return planGraph(graph, reader, {
    target,
    options: { ternarize: "exact", activations },
    sizes: SIZES,
    batchAxes: new Map(),
    storage: "bf16",
  });
}

export function plannedTensors({ tensors }: LoweredProgram): readonly PlannedTensor[] {
  return tensors.map(({ name, id, dtype, shape, encoding }) => ({ name, id, dtype, shape, encoding }));
}

async function writeProgram(
  out: string,
  name: string,
  graph: Graph,
  target: Target,
  activations: Activations,
): Promise<PlannedProgram> {
  const planned = planProgram(graph, target, activations);
  const artifacts = await generateKernels(planned.lowered.kernels, {
    target,
    cache: join(cacheDir(), "kernels"),
  });
  const folder = name.replaceAll(/[^A-Za-z0-9.]+/g, "-");
  await mkdir(join(out, folder), { recursive: true });
  await writeFile(join(out, folder, "program.json"), printProgram(planned.lowered.program));
  await writeFile(join(out, folder, "graph.ir"), printGraph(planned.graph));
  const kernels: Record<string, string> = {};
  for (const { id, binary } of artifacts) {
    if (binary === null) continue;
    const file = `${createHash("sha256").update(binary).digest("hex").slice(0, 32)}.fatbin`;
    await writeFile(join(out, "kernels", file), binary);
    kernels[id] = file;
  }
  process.stderr.write(
    `${name}: ${artifacts.length} kernels, ${launchesThatRun(planned.lowered.program, "step").length} launches a step\n`,
  );
  return { name, folder, activations, tensors: plannedTensors(planned.lowered), kernels };
}

async function main(): Promise<void> {
  const command = new Command("plan")
    .option("--target <name>", "the GPU", "h200")
    .requiredOption("-o, --out <folder>", "the plan to write")
    .parse();
  const { target: name, out } = command.opts<{ target: string; out: string }>();
  const target = targetByName(name);
  await rm(out, { recursive: true, force: true });
  await mkdir(join(out, "kernels"), { recursive: true });
  const cases: PlannedProgram[] = [];
  for (const { name: label, graph, activations } of CASES) {
    cases.push(await writeProgram(out, label, parseGraph(graph), target, activations));
  }
  const models: PlannedProgram[] = [];
  for (const activations of ["int8", "bf16"] as const) {
    models.push(
      await writeProgram(out, `FLUX.1-dev ${activations}`, fluxGraph(FLUX_DEV), target, activations),
    );
  }
  const plan: Plan = { tritc: packageVersion(), target: target.name, cases, models };
  await writeFile(join(out, "plan.json"), `${JSON.stringify(plan, undefined, 1)}\n`);
  // What runs it goes along.
  for (const file of ["run.sh", "peers.py"])
    await copyFile(join(packageRoot(), "benchmarks/gpu", file), join(out, file));
}

if (process.argv[1]?.endsWith("plan.js") === true) await main();
