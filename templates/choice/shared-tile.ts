import { launchOf, type Tile } from "../../ir/families/launch/form.js";
import type { KernelTemplates } from "../kernel-templates.js";
import { bestOf } from "./choose.js";
import type { Candidate } from "./consider.js";
import type { Problem } from "./problem.js";

/** What a tile may cost the first kind of devices, if others gain by it: the model is no better than that. */
const TOLERANCE = 1.05;

/**
 * The tile for a launch that kernels for several kinds of devices share, the most demanding kind first: that of the first's best
 * kernel, unless one nearly as good costs the others less. Undefined where there is but one kind, or costs are not known: each
 * kind's first choice then is of one tile by the family's order.
 */
export function sharedTile<P>(
  problems: readonly Problem<P>[],
  { forms }: Pick<KernelTemplates<P>, "forms">,
  candidates: readonly (readonly Candidate[])[],
): Tile | undefined {
  if (problems.length < 2) return undefined;
  const [first, ...others] = problems.map((problem, i) => bestByTile(problem, forms, candidates[i] ?? []));
  if (first === undefined || others.includes(undefined)) return undefined;
  const shared = [...first.byTile.values()].filter(({ key }) =>
    others.every((kind) => kind?.byTile.has(key)),
  );
  const elsewhere = ({ key }: Best) =>
    others.reduce((sum, kind) => sum + (kind?.byTile.get(key)?.seconds ?? Number.POSITIVE_INFINITY), 0);
  const least = Math.min(...shared.map(({ seconds }) => seconds));
  const near = shared.filter(({ seconds }) => seconds <= least * TOLERANCE);
  const own = near.find(({ key }) => key === first.best);
  return near.reduce<Best | undefined>(
    (best, one) => (best === undefined || elsewhere(one) * TOLERANCE < elsewhere(best) ? one : best),
    own,
  )?.tile;
}

interface Best {
  readonly key: string;
  readonly tile: Tile;
  readonly seconds: number;
}

interface ByTile {
  /** The tile of what would be taken of all. */
  readonly best: string;
  readonly byTile: ReadonlyMap<string, Best>;
}

/** The cheapest kernel of each tile; undefined where what would be taken has no known cost. */
function bestByTile<P>(
  { params, device }: Problem<P>,
  forms: KernelTemplates<P>["forms"],
  candidates: readonly Candidate[],
): ByTile | undefined {
  const best = bestOf(candidates, device.speed?.doubt);
  if (best?.cost == null) return undefined;
  const byTile = new Map<string, Best>();
  for (const { config, cost, measuredOnly } of candidates) {
    if (cost === null || measuredOnly === true) continue;
    const { tile } = launchOf(forms, params, config);
    const key = String(tile);
    const before = byTile.get(key)?.seconds ?? Number.POSITIVE_INFINITY;
    if (cost.seconds < before) byTile.set(key, { key, tile, seconds: cost.seconds });
  }
  return { best: String(launchOf(forms, params, best.config).tile), byTile };
}
