import type { Bindings } from "../ir/dim.js";
import { allLaunches } from "../ir/program/phases.js";
import type { Program } from "../ir/program/program.js";
import { launchWork, type Work } from "../ir/program/work.js";

/**
 * The work of launches at these sizes, by kernel and rows; of unequal ones of the same rows, that of the first. Kernels that stand behind
 * others as fallbacks have the same. Sizes that leave some of the program's open say nothing.
 */
export function workByRows(
  program: Program,
  planned: readonly Bindings[],
): ReadonlyMap<string, ReadonlyMap<number, Work>> {
  const all = new Map(program.kernels.map(({ id }) => [id, new Map<number, Work>()]));
  const known = planned.filter((sizes) => program.symbols.every((name) => Object.hasOwn(sizes, name)));
  const fallbacks = new Map(program.kernels.map(({ id, fallback }) => [id, fallback]));
  for (const work of known.flatMap((sizes) => launchWork(program, allLaunches(program), sizes))) {
    for (let id: string | null = work.kernel; id !== null; id = fallbacks.get(id) ?? null) {
      const own = all.get(id);
      if (own?.has(work.rows) === false) own.set(work.rows, work);
    }
  }
  return all;
}
