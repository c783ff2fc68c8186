/**
 * The GPU benchmark: runs a plan (see `plan.ts`) on this machine's GPU, checks and times its programs, and writes one
 * JSON file. `peers.py` measures PyTorch's kernels and its FLUX in the same run; `run.sh` calls both.
 *
 *   node dist/benchmarks/gpu/run.js <plan> --peers peers.json -o result.json
 */

import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { TritcError } from "../../ir/errors.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { parseProgram } from "../../ir/program/json.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import { createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { surveyCuda } from "../../runtime/node/cuda/survey.js";
import { CASES } from "./cases.js";
import { type CaseResult, measureCase } from "./measure-case.js";
import { type ModelResult, measureModel } from "./measure-model.js";
import type { Plan, PlannedProgram } from "./plan.js";
import { type GpuResult, type Peers, resultTable } from "./result.js";

interface Options {
  readonly peers?: string;
  readonly out?: string;
  readonly steps: string;
  readonly dryRun: boolean;
}

const PICTURE = { width: 1024, height: 1024, textTokens: 512 };

const command = new Command("gpu")
  .argument("<plan>", "the folder that plan.js wrote")
  .option("--peers <file>", "what peers.py measured, for the ratios")
  .option("-o, --out <file>", "where to write the results")
  .option("--steps <count>", "denoising steps of a picture", "50")
  .option("--dry-run", "read and check the plan, say what would run, and touch no GPU", false)
  .parse();
const [folder = ""] = command.args;
const options = command.opts<Options>();

/** A program of the plan with its kernels. */
function read(planned: PlannedProgram) {
  const at = (file: string) => join(folder, planned.folder, file);
  const binary = (id: string): Uint8Array<ArrayBuffer> => {
    const file = planned.kernels[id];
    if (file === undefined) throw new RangeError(`${planned.name}: the plan has no binary of ${id}`);
    return new Uint8Array(readFileSync(join(folder, "kernels", file)));
  };
  const source = (): string => {
    throw new RangeError("plans hold no sources");
  };
  return {
    name: planned.name,
    tensors: planned.tensors,
    program: parseProgram(readFileSync(at("program.json"), "utf8"), at("program.json")),
    graph: parseGraph(readFileSync(at("graph.ir"), "utf8"), at("graph.ir")),
    code: { binary, source },
  };
}

function caseOf({ name }: PlannedProgram) {
  const found = CASES.find((candidate) => candidate.name === name);
  if (found === undefined)
    throw new RangeError(`the plan is of another version: this one has no case ${name}`);
  return found;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function main(): Promise<void> {
  const plan = JSON.parse(await readFile(join(folder, "plan.json"), "utf8")) as Plan;
  if (options.dryRun) {
    dryRun(plan);
    return;
  }
  const survey = await surveyCuda();
  const [info] = survey.devices;
  const device = await createNodeCudaDevice();
  const cases: CaseResult[] = [];
  const models: ModelResult[] = [];
  try {
    for (const planned of plan.cases) {
      const gpuCase = caseOf(planned);
      for (const sizes of gpuCase.sizes) {
        const result = await measureCase(device, read(planned), gpuCase, sizes);
        say(
          `${result.name} ${JSON.stringify(sizes)}: ${result.milliseconds.toFixed(3)} ms, error ${result.error.toExponential(1)}`,
        );
        cases.push(result);
      }
    }
    for (const planned of plan.models) {
      const result = await measureModel(device, read(planned), { ...PICTURE, steps: Number(options.steps) });
      say(`${result.name}: ${result.stepMilliseconds.toFixed(1)} ms a step`);
      models.push(result);
    }
  } finally {
    await device.close();
  }
  const peers =
    options.peers === undefined ? null : (JSON.parse(await readFile(options.peers, "utf8")) as Peers);
  const result: GpuResult = {
    device: info?.name ?? "?",
    architecture: `${info?.major}.${info?.minor}`,
    driver: survey.driverVersion,
    date: new Date().toISOString().slice(0, 10),
    tritc: plan.tritc,
    target: plan.target,
    command: `benchmarks/gpu/run.sh, --steps ${options.steps}`,
    cases,
    models,
    peers,
  };
  if (options.out !== undefined) await writeFile(options.out, `${JSON.stringify(result, undefined, 1)}\n`);
  process.stdout.write(`${resultTable(result)}\n`);
}

/** Reads everything that a run would, and lists it. */
function dryRun(plan: Plan): void {
  for (const planned of [...plan.cases, ...plan.models]) {
    const { program, code } = read(planned);
    const bytes = program.kernels.reduce((sum, { id }) => sum + code.binary(id).length, 0);
    const sizes = plan.cases.includes(planned)
      ? JSON.stringify(caseOf(planned).sizes)
      : `${options.steps} steps`;
    process.stdout.write(
      `${planned.name}: ${program.kernels.length} kernels (${bytes} bytes), ${launchesThatRun(program, "step").length} launches a step; ${sizes}\n`,
    );
  }
}

await main().catch((error: unknown) => {
  if (!(error instanceof TritcError)) throw error;
  say(error.message);
  process.exitCode = 1;
});
