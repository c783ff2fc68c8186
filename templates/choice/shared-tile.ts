import { launchOf, type Tile } from "../../ir/families/launch/form.js";
import type { KernelTemplates } from "../kernel-templates.js";
import { bestOf, candidatesOf } from "./choose.js";
import type { Problem } from "./problem.js";

/** What a tile may cost the first kind of devices, if others gain by it: the model is no better than that. */
const TOLERANCE = 1.05;

/**
 * The tile for a launch that kernels for several kinds of devices share, the most demanding kind first: that of the first's cheapest
 * kernel, or one nearly as good that costs the others less. Undefined where there is but one kind, or costs are not known: each
 * kind's first choice then is of one tile by the family's order.
 */
export function sharedTile<P>(
  problems: readonly Problem<P>[],
  templates: KernelTemplates<P>,
): Tile | undefined {
  if (problems.length < 2) return undefined;
  const [first, ...others] = problems.map((problem) => cheapestByTile(problem, templates));
  if (first === undefined || others.includes(undefined)) return undefined;
  const shared = [...first.values()].filter(({ key }) => others.every((kind) => kind?.has(key)));
  const least = Math.min(...shared.map(({ seconds }) => seconds));
  const near = shared.filter(({ seconds }) => seconds <= least * TOLERANCE);
  const elsewhere = ({ key }: Cheapest) =>
    others.reduce((sum, kind) => sum + (kind?.get(key)?.seconds ?? Number.POSITIVE_INFINITY), 0);
  return near.reduce<Cheapest | undefined>(
    (best, one) => (best === undefined || elsewhere(one) < elsewhere(best) ? one : best),
    undefined,
  )?.tile;
}

interface Cheapest {
  readonly key: string;
  readonly tile: Tile;
  readonly seconds: number;
}

/** The cheapest kernel of each tile; undefined where what would be chosen has no known cost. */
function cheapestByTile<P>(
  problem: Problem<P>,
  templates: KernelTemplates<P>,
): ReadonlyMap<string, Cheapest> | undefined {
  const fitting = candidatesOf(problem, templates).filter(({ rejected }) => rejected === null);
  if (bestOf(fitting)?.cost == null) return undefined;
  const byTile = new Map<string, Cheapest>();
  for (const { config, cost } of fitting) {
    const { tile } = launchOf(templates.forms, problem.params, config);
    const key = String(tile);
    const before = byTile.get(key)?.seconds ?? Number.POSITIVE_INFINITY;
    if (cost !== null && cost.seconds < before) byTile.set(key, { key, tile, seconds: cost.seconds });
  }
  return byTile;
}
