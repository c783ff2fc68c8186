import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { packageVersion } from "../../compiler/version.js";
import {
  amount,
  boolean,
  decodeJson,
  index,
  list,
  nullable,
  number,
  object,
  oneOf,
  positive,
  record,
  string,
} from "../../ir/format/decode.js";
import type { Measured } from "./measure.js";
import { type BenchTarget, TARGETS } from "./subject.js";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Programs that wanted a processor in the last minute before the measurement. */
  readonly load: number;
}

export interface MeasuredSubject {
  readonly name: string;
  readonly tasks: readonly Measured[];
}

/** What `npm run bench` found. */
export interface BenchResult {
  /** ISO 8601. */
  readonly date: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly target: BenchTarget;
  readonly device: string;
  readonly threads: number;
  /** Milliseconds of each task. */
  readonly time: number;
  readonly subjects: readonly MeasuredSubject[];
}

/** What the machine is, and what runs on it. */
export function surroundings(): Pick<BenchResult, "date" | "machine" | "versions"> {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    machine: {
      processor: processors[0]?.model ?? "unknown",
      cores: processors.length,
      memoryBytes: totalmem(),
      load: loadavg()[0] ?? 0,
    },
    versions: {
      tritc: packageVersion(),
      node: process.versions.node,
      v8: process.versions.v8,
      "onnxruntime-node": versionOf("onnxruntime-node"),
      tinybench: versionOf("tinybench"),
    },
  };
}

/** Of a package of the checkout, which is the working directory. */
function versionOf(name: string): string {
  const json: unknown = JSON.parse(readFileSync(join("node_modules", name, "package.json"), "utf8"));
  return typeof json === "object" && json !== null && "version" in json ? String(json.version) : "unknown";
}

const measured = object<Measured>({
  name: string,
  isPeer: boolean,
  samples: index,
  median: positive,
  best: positive,
  spread: amount,
  // Of work that is shorter than the system's clock of processors, it may be none.
  processor: amount,
  speedup: nullable(positive),
  speedupSpread: nullable(amount),
  processorSpeedup: nullable(amount),
  error: nullable(amount),
});

const result = object<BenchResult>({
  date: string,
  machine: object<Machine>({ processor: string, cores: index, memoryBytes: index, load: number }),
  versions: record(string),
  target: oneOf(...TARGETS),
  device: string,
  threads: index,
  time: number,
  subjects: list(object<MeasuredSubject>({ name: string, tasks: list(measured) })),
});

/** A file that `--json` wrote. Throws what decoding does. */
export async function readResult(file: string): Promise<BenchResult> {
  return decodeJson(
    await readFile(file, "utf8"),
    result,
    file,
    "give a file that `npm run bench -- --json` wrote",
    "TRITC_E_INPUT",
  );
}
