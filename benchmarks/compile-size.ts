/**
 * `node dist/benchmarks/compile-size.js [--double 19 --single 38] [--source <folder>]`: compiles a model of random
 * weights and compares it with reading its weights once with `cat`, before and after. A model that does not fit into
 * the page cache is read from the disk each time, one that does is not.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { byteCount, positiveInteger } from "../compiler/cli/options.js";
import { table } from "../compiler/cli/terminal.js";
import { type CompileReport, compileModel } from "../compiler/compile.js";
import type { Ternarize } from "../compiler/pass.js";
import { formatBytes } from "../compiler/units.js";
import { WEIGHTS_NAME } from "./synthesize/flux.js";
import { KLEIN_WEIGHTS_NAME } from "./synthesize/klein.js";

interface Options {
  readonly model: string;
  readonly double: string;
  readonly single: string;
  readonly source?: string;
  readonly target: string;
  readonly ternarize: Ternarize;
  readonly memory?: number;
  readonly threads?: number;
  readonly out?: string;
  /** Set in the process that is measured. */
  readonly child?: boolean;
}

interface Measured {
  readonly report: CompileReport;
  readonly peakBytes: number;
  readonly cpuSeconds: number;
}

const program = new Command("compile-size")
  .option("--model <name>", "dev, schnell or klein-4b", "dev")
  .option("--double <count>", "double blocks", "1")
  .option("--single <count>", "single blocks", "1")
  .option("--source <folder>", "what `npm run synthesize` has written, instead of writing it first")
  .option("--target <name>", "what to compile for", "cpu")
  .addOption(
    new Option("--ternarize <method>", "how weights become ternary")
      .choices(["exact", "absmean", "none"])
      .default("exact"),
  )
  .addOption(new Option("--memory <bytes>", "what compiling may take").argParser(byteCount))
  .addOption(new Option("--threads <n>", "threads that pack").argParser(positiveInteger))
  .option("--out <folder>", "where to leave the bundle")
  .addOption(new Option("--child").hideHelp())
  .parse();
const options = program.opts<Options>();
if (options.child === true) await compileHere(options);
else await compare(options);

async function compare({ source, out, ...rest }: Options): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "tritc-compile-size-"));
  try {
    const folder = source ?? join(work, "model");
    if (source === undefined) {
      const sizes = ["--model", rest.model, "--double", rest.double, "--single", rest.single];
      await run(process.execPath, [script("synthesize/run.js"), ...sizes, "-o", folder]);
    }
    const names = await readdir(folder);
    const weights = join(folder, names.includes(WEIGHTS_NAME) ? WEIGHTS_NAME : KLEIN_WEIGHTS_NAME);
    const { size } = await stat(weights);
    const before = await timed(() => run("cat", [weights]));
    const argv = process.argv.slice(2).filter((word) => word !== "--child");
    const bundle = out ?? join(work, "bundle");
    const child = ["--child", "--source", folder, "--out", bundle];
    const text = await run(process.execPath, [script("compile-size.js"), ...argv, ...child]);
    const { report, peakBytes, cpuSeconds }: Measured = JSON.parse(text);
    const after = await timed(() => run("cat", [weights]));
    const cat = Math.max(before, after);
    const { packing } = report;
    const seconds = (value: number) => `${value.toFixed(2)} s`;
    const rows = [
      ["source", `${formatBytes(size)}, ${(size / totalmem()).toFixed(2)} of this machine's memory`],
      ["cat, before and after", `${seconds(before)}, ${seconds(after)}`],
      ["compile", `${seconds(report.seconds)}, ${(report.seconds / cat).toFixed(2)}x of cat`],
      ["of it packing", `${seconds(packing.seconds)}, ${(packing.seconds / cat).toFixed(2)}x of cat`],
      ["processor time", seconds(cpuSeconds)],
      ["threads", String(packing.threads)],
      [
        "bytes read",
        `${formatBytes(packing.bytesRead)}, ${(packing.bytesRead / size).toFixed(3)}x the source`,
      ],
      ["peak resident set", formatBytes(peakBytes)],
      ["of it buffers", formatBytes(packing.bufferBytes)],
      ["weights", `${formatBytes(report.weightBytes)}, ${(size / report.weightBytes).toFixed(2)}x smaller`],
    ] as const;
    process.stdout.write(`${table(rows)}\n`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function compileHere(given: Options): Promise<void> {
  const { source, out, target, ternarize, memory, threads } = given;
  if (source === undefined || out === undefined) throw new Error("--child takes --source and --out");
  const report = await compileModel({
    input: source,
    out,
    target,
    ternarize,
    activations: ternarize === "none" ? "f32" : "int8",
    emit: "source",
    resume: false,
    ...(memory === undefined ? {} : { memory }),
    ...(threads === undefined ? {} : { threads }),
  });
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const measured: Measured = {
    report,
    peakBytes: maxRSS * 1024,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
  };
  process.stdout.write(JSON.stringify(measured));
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** What a program writes, unless that is the model: the output of `cat` goes nowhere. */
async function run(command: string, argv: readonly string[]): Promise<string> {
  const child = spawn(command, argv, { stdio: ["ignore", command === "cat" ? "ignore" : "pipe", "inherit"] });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  if (code !== 0) throw new Error(`${command} ${argv.join(" ")} ended with ${String(code)}`);
  return text;
}
