import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { printGraph } from "../../ir/graph/print.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { makeFolderSync } from "../make-folder.js";
import type { Pass, PassContext } from "../pass.js";

/** How a run reports what it does; read from the environment unless given. */
export interface RunnerOptions {
  /** Folder for the IR after each pass that changed it (`TRITC_DUMP`). */
  readonly dump?: string | undefined;
  /** Report the time of each pass (`TRITC_TIME=1`). */
  readonly time?: boolean | undefined;
  /** Where reproducers go: the dump folder if there is one, else the system's temporary folder. */
  readonly reproducers?: string | undefined;
  readonly report?: (line: string) => void;
  /** Number of the first pass in dumps, where other passes ran before; 0 if absent. */
  readonly first?: number;
}

/**
 * Runs passes in order and verifies the graph after each. A pass that throws something other than a
 * TritcError, or leaves a broken graph, leaves a reproducer: the IR before it and the passes that remained.
 */
export function runPasses(
  graph: Graph,
  passes: readonly Pass[],
  context: PassContext,
  options: RunnerOptions = environmentOptions(),
): Graph {
  let current = graph;
  for (const [i, pass] of passes.entries()) {
    const began = performance.now();
    const next = runOne(current, pass, passes.slice(i), context, options);
    if (options.time === true) {
      const milliseconds = (performance.now() - began).toFixed(1).padStart(9);
      const nodes = `${current.nodes.length} -> ${next.nodes.length} nodes`;
      options.report?.(`${milliseconds} ms  ${pass.name.padEnd(26)} ${nodes}`);
    }
    if (options.dump !== undefined && next !== current) {
      makeFolderSync(options.dump);
      const file = `${String((options.first ?? 0) + i).padStart(2, "0")}-${pass.name}.txt`;
      writeFileSync(join(options.dump, file), `${printGraph(next)}\n`);
    }
    current = next;
  }
  return current;
}

/** What `TRITC_DUMP` and `TRITC_TIME` ask for; reports go to stderr. */
export function environmentOptions(): RunnerOptions {
  return {
    dump: process.env.TRITC_DUMP || undefined,
    time: process.env.TRITC_TIME === "1",
    report: (line) => process.stderr.write(`${line}\n`),
  };
}

function runOne(
  graph: Graph,
  pass: Pass,
  remaining: readonly Pass[],
  context: PassContext,
  options: RunnerOptions,
): Graph {
  try {
    const next = pass.run(graph, context);
    if (next !== graph) verifyGraph(next);
    return next;
  } catch (error) {
    // A TritcError other than the verifier's says what is wrong with the model; there is nothing to reproduce.
    if (error instanceof TritcError && error.code !== "TRITC_E_IR") throw error;
    const file = writeReproducer(graph, remaining, options);
    throw new TritcError({
      code: "TRITC_E_PASS",
      message: `the pass failed: ${error instanceof Error ? error.message : String(error)}`,
      place: `pass ${pass.name}`,
      ...(file === undefined ? {} : { found: `IR before the pass: ${file}` }),
      remedy: "this is a bug in tritc: report it with that file",
      cause: error,
    });
  }
}

/** The file's first lines name the passes; the rest is the graph in text form. */
function writeReproducer(graph: Graph, passes: readonly Pass[], options: RunnerOptions): string | undefined {
  const folder = options.reproducers ?? options.dump ?? tmpdir();
  const file = join(folder, `tritc-reproducer-${passes[0]?.name ?? "pass"}-${process.pid}.txt`);
  const text = `# passes: ${passes.map((p) => p.name).join(", ")}\n${printGraph(graph)}\n`;
  try {
    makeFolderSync(folder);
    writeFileSync(file, text);
    return file;
  } catch {
    // The failure of the pass matters more than that of writing about it.
    return undefined;
  }
}
