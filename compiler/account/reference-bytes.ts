import { type Bindings, symbolsOf } from "../../ir/dim.js";
import { REF_TOKENS } from "../../ir/models/index.js";
import { launchesThatRun, stepLaunches } from "../../ir/program/phases.js";
import type { Launch, Program } from "../../ir/program/program.js";
import { elementBytes } from "../../targets/memory/buffers.js";

/**
 * Bytes of references' keys and values at these sizes: what a prompt's launches leave for each of their tokens, and the steps
 * read. 0 for programs that have no such pass.
 */
export function referenceBytes(program: Program, bindings: Bindings): number {
  const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  const touched = (launches: readonly Launch[], writes: boolean) =>
    new Set(
      launches.flatMap((launch) =>
        launch.args.flatMap(({ buffer }, i) =>
          (kernels.get(launch.kernel)?.args[i]?.access !== "read") === writes ? [buffer] : [],
        ),
      ),
    );
  const [written, read] = [
    touched(launchesThatRun(program, "prompt"), true),
    touched(stepLaunches(program), false),
  ];
  return program.buffers
    .filter(
      ({ id, elements }) => written.has(id) && read.has(id) && symbolsOf(elements).includes(`${REF_TOKENS}`),
    )
    .reduce((sum, buffer) => sum + elementBytes(buffer, bindings), 0);
}
