/** What the cost model says of kernels, beside what `tritc tune` measured of them. */
import { type Measurement, problemKey, type TuningRecord } from "../../compiler/tuning/records.js";
import { FAMILIES, isFamily } from "../../ir/families/index.js";
import type { KernelConfig, ParamRecord } from "../../ir/program/program.js";
import { type DeviceKind, deviceKinds } from "../../targets/device-kind.js";
import { TARGETS, type Target } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { costsFor, defineKernel } from "../../templates/index.js";

/** One kernel on one device, over all numbers of rows that it was measured at. */
export interface Comparison {
  readonly device: string;
  readonly kernel: string;
  readonly rows: readonly number[];
  /** Configs that were measured at all of these. */
  readonly measured: number;
  readonly best: Timed;
  /** What a compilation without records takes. */
  readonly chosen: Timed;
  /** The family's first, which is what there was before there were costs. */
  readonly first: Timed;
  /** Spearman's correlation of estimates and measurements; null where there are fewer than three or all are equal. */
  readonly correlation: number | null;
  /** Estimated over measured seconds of the chosen config; null where either is not known. */
  readonly estimate: number | null;
}

export interface Timed {
  readonly config: KernelConfig;
  /** Sum over the numbers of rows; null where it was not measured. */
  readonly seconds: number | null;
  /** Over the best. */
  readonly ratio: number | null;
}

/** Every kernel of the records that has more than one config measured. */
export function compareModel(
  records: readonly TuningRecord[],
  targets: readonly Target[] = TARGETS,
): readonly Comparison[] {
  const groups = new Map<string, Measurement[]>();
  for (const entry of records) {
    if (entry.kind !== "measured" || entry.seconds === null || entry.outcome !== "right") continue;
    const key = [entry.device, entry.deviceKind, entry.kernel].join("\n");
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups.values()].flatMap((group) => compareKernel(group, targets) ?? []);
}

function compareKernel(measured: readonly Measurement[], targets: readonly Target[]): Comparison | undefined {
  const [first] = measured;
  const known = first === undefined ? undefined : kindNamed(first.deviceKind, targets);
  if (first === undefined || known === undefined) return undefined;
  const { target, device } = known;
  const { family, params: record } = parseProblem(first.kernel);
  if (!isFamily(family)) return undefined;
  const params = FAMILIES[family].read({ id: first.kernel, params: record }) as never;
  const rows = [...new Set(measured.map((entry) => entry.rows))].sort((a, b) => b - a);
  const seconds = secondsByConfig(measured, rows);
  if (seconds.size < 2) return undefined;
  const definition = defineKernel(family, params, target, rows);
  const choice = allChoices(definition).find(({ problem }) => problem.device.name === device.name);
  if (choice === undefined) return undefined;
  const costs = costsFor(family, params, { target, device, rows });
  const estimates = new Map(costs.map(({ config, cost }) => [keyOf(config), cost] as const));
  const fastest = [...seconds.values()].reduce((a, b) => (b.seconds < a.seconds ? b : a));
  const timed = (config: KernelConfig): Timed => {
    const own = seconds.get(keyOf(config))?.seconds ?? null;
    return { config, seconds: own, ratio: own === null ? null : own / fastest.seconds };
  };
  const pairs = [...seconds.values()].flatMap(({ config, seconds: own }) => {
    const estimate = estimates.get(keyOf(config))?.seconds;
    return estimate === undefined ? [] : [[estimate, own] as const];
  });
  const chosen = timed(choice.config);
  // On the device that the kind's numbers are of: what configs are compared by may be a mean over several.
  const estimate = estimates
    .get(keyOf(choice.config))
    ?.launches.reduce((sum, launch) => sum + launch.seconds, 0);
  const preferred = costs.find(({ rejected }) => rejected === null)?.config ?? choice.config;
  return {
    device: first.device,
    kernel: first.kernel,
    rows,
    measured: seconds.size,
    best: timed(fastest.config),
    chosen,
    first: timed(preferred),
    correlation: rankCorrelation(pairs),
    estimate: estimate === undefined || chosen.seconds === null ? null : estimate / chosen.seconds,
  };
}

/** The last measurement of each config that was measured at all numbers of rows, summed over them. */
function secondsByConfig(measured: readonly Measurement[], rows: readonly number[]) {
  const byConfig = new Map<string, { readonly config: KernelConfig; readonly at: Map<number, number> }>();
  for (const entry of measured) {
    const key = keyOf(entry.config);
    const known = byConfig.get(key) ?? { config: entry.config, at: new Map<number, number>() };
    if (entry.seconds !== null) known.at.set(entry.rows, entry.seconds);
    byConfig.set(key, known);
  }
  return new Map(
    [...byConfig].flatMap(([key, { config, at }]) =>
      rows.every((count) => at.has(count))
        ? [[key, { config, seconds: [...at.values()].reduce((sum, own) => sum + own, 0) }] as const]
        : [],
    ),
  );
}

/** Spearman's: of ranks, equal values sharing the mean of theirs. */
export function rankCorrelation(pairs: readonly (readonly [number, number])[]): number | null {
  if (pairs.length < 3) return null;
  const [a, b] = [ranksOf(pairs.map(([x]) => x)), ranksOf(pairs.map(([, y]) => y))];
  const mean = (pairs.length - 1) / 2;
  const product = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + (value - mean) * ((y[i] ?? 0) - mean), 0);
  const spread = Math.sqrt(product(a, a) * product(b, b));
  return spread === 0 ? null : product(a, b) / spread;
}

function ranksOf(values: readonly number[]): readonly number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal - 1) / 2;
  });
}

/** The first target with a kind of devices of the name that records have. */
function kindNamed(
  name: string,
  targets: readonly Target[],
): { readonly target: Target; readonly device: DeviceKind } | undefined {
  for (const target of targets) {
    const device = deviceKinds(target).find((kind) => kind.name === name);
    if (device !== undefined) return { target, device };
  }
  return undefined;
}

/** Inverse of `problemKey`. */
function parseProblem(key: string): { readonly family: string; readonly params: ParamRecord } {
  const space = key.indexOf(" ");
  const problem = { family: key.slice(0, space), params: JSON.parse(key.slice(space + 1)) as ParamRecord };
  if (problemKey(problem) !== key) throw new RangeError(`no key of a kernel: ${key}`);
  return problem;
}

function allChoices(definition: ReturnType<typeof defineKernel>): ReturnType<typeof defineKernel>["choices"] {
  const { choices, fallback } = definition;
  return fallback === null ? choices : [...choices, ...allChoices(fallback)];
}

/** The share of kernels whose choice is within so many times of the best, of those where it was measured; null where there is none. */
export function shareWithin(
  comparisons: readonly Comparison[],
  which: "chosen" | "first",
  most: number,
): number | null {
  const ratios = comparisons.flatMap((comparison) => comparison[which].ratio ?? []);
  return ratios.length === 0 ? null : ratios.filter((ratio) => ratio <= most).length / ratios.length;
}
