/**
 * Passes, packers, kernels and the sampler, each beside its peer in the same process where there is one, in turns.
 *
 *   npm run bench -- [--only kernels/linear,packers] [--target cpu|webgpu] [--gpu] [--threads 2] [--time 500] [--json new.json]
 *                    [--compare old.json [--fail-above 1.2]] [--list]
 *
 * `--only`: subjects whose name has one of these in it. `--time`: milliseconds of each way of doing a subject's work. Progress goes to
 * stderr, tables to stdout; with `--fail-above` the exit code is 1 where something got slower by more than that and the spread.
 */
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkFilePath } from "../../compiler/atomic-file.js";
import { formatDuration } from "../../compiler/units.js";
import { TritcError } from "../../ir/errors.js";
import { compareResults, differencesOf, slowerThan } from "./compare.js";
import { measureSubjects, SUBJECTS } from "./index.js";
import { readResult } from "./result.js";
import { TARGETS } from "./subject.js";
import { comparisonTable, resultTable } from "./tables.js";

/** Where tables and progress go. */
export interface BenchIo {
  out(text: string): void;
  error(text: string): void;
}

const CONSOLE: BenchIo = { out: (text) => console.log(text), error: (text) => console.error(text) };

/** What a command line says and cannot mean. */
class WrongWords extends RangeError {}

/** Does what the words of a command line say, and returns the exit code. */
export async function bench(args: readonly string[], io: BenchIo = CONSOLE): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      target: { type: "string", default: "cpu" },
      gpu: { type: "boolean", default: false },
      threads: { type: "string", default: String(availableParallelism()) },
      time: { type: "string", default: "500" },
      json: { type: "string" },
      compare: { type: "string" },
      "fail-above": { type: "string" },
      list: { type: "boolean", default: false },
    },
  });
  const parts = values.only?.split(",").filter((part) => part !== "");
  const subjects = SUBJECTS.filter(({ name }) => parts?.some((part) => name.includes(part)) !== false);
  const target = TARGETS.find((name) => name === values.target);
  if (target === undefined) throw new WrongWords(`--target ${values.target}: ${TARGETS.join(" or ")}`);
  if (subjects.length === 0) throw new WrongWords(`--only ${values.only}: no subject has that in its name`);
  if (values.list) {
    io.out(subjects.map(({ name }) => name).join("\n"));
    return 0;
  }
  const [threads, time] = [positive("--threads", values.threads), positive("--time", values.time)];
  // A file that cannot be read is said before anything is measured.
  const old = values.compare === undefined ? undefined : await readResult(values.compare);
  if (old?.subjects.some(({ name }) => subjects.some((subject) => subject.name === name)) === false)
    throw new WrongWords(`--compare ${values.compare}: it has none of the subjects that are to be measured`);
  const failAbove = values["fail-above"];
  const factor = failAbove === undefined ? undefined : positive("--fail-above", failAbove);
  if (factor !== undefined && old === undefined)
    throw new WrongWords(`--fail-above ${failAbove}: --compare says with what`);
  if (values.json !== undefined) await checkFilePath(values.json);
  const result = await measureSubjects(subjects, {
    ...{ target, threads, time, software: !values.gpu },
    onSubject: (name, seconds) => io.error(`${name}  ${formatDuration(seconds)}`),
  });
  io.out(resultTable(result));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, undefined, 1)}\n`);
  if (old === undefined) return 0;
  const comparisons = compareResults(result, old);
  io.out(`\n${comparisonTable(comparisons)}`);
  const differences = differencesOf(result, old);
  if (differences.length > 0) io.error(`times are not of the same: ${differences.join("; ")}`);
  if (factor === undefined) return 0;
  const slower = slowerThan(comparisons, factor);
  for (const { subject, task } of slower) io.error(`slower: ${subject}: ${task}`);
  return slower.length > 0 ? 1 : 0;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new WrongWords(`${option} ${text}: a number above 0`);
  return value;
}

/** As `bench`; what is wrong with the words of the command line, or with a file that they name, is said in a line, and 2 returned. */
export async function benchCommand(args: readonly string[], io: BenchIo = CONSOLE): Promise<number> {
  try {
    return await bench(args, io);
  } catch (error) {
    if (!(error instanceof Error) || !isOfWords(error)) throw error;
    io.error(`bench: ${error.message}`);
    return 2;
  }
}

function isOfWords(error: Error): boolean {
  const code = "code" in error ? String(error.code) : "";
  return (
    error instanceof WrongWords ||
    error instanceof TritcError ||
    /^(?:ERR_PARSE_ARGS|ENO|EACC|EISDIR)/.test(code)
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exit(await benchCommand(process.argv.slice(2)));
