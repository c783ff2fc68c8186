import type { Bindings } from "../ir/dim.js";
import type { KernelConfig, ParamRecord } from "../ir/program/program.js";
import type { Work } from "../ir/program/work.js";
import { keyOf } from "../templates/choice/configs.js";
import type { Candidate, Cost } from "../templates/choice/consider.js";
import { type Estimate, estimateOf } from "../templates/choice/estimate.js";
import type { Problem } from "../templates/choice/problem.js";
import type { LoweredProgram } from "./lower/index.js";
import { printSeconds } from "./print-seconds.js";
import { workByRows } from "./work-by-rows.js";

/** Why a kernel is as it is, for one kind of device that takes it. */
export interface KernelChoice {
  readonly kernel: string;
  readonly family: string;
  readonly params: ParamRecord;
  /** Rows of its launches at the planned sizes, the most first; none where sizes are not known. */
  readonly rows: readonly number[];
  readonly device: string;
  /** What the cost model takes the device for; null where it knows nothing of it. */
  readonly speed: string | null;
  readonly config: KernelConfig;
  readonly reason: string;
  /** What launches with the config take by the cost model; null where nobody knows. */
  readonly cost: Cost | null;
  /** Where the cost is not known: what launches take at least by operations and bytes, whatever the config; null where that is not known. */
  readonly atLeast: readonly RowsEstimate[] | null;
  /** How many configs fit. */
  readonly fitting: number;
  /**
   * Some that were considered: of those that fit the cheapest, or the first of the family's preference where costs are not known;
   * of the others one for each reason.
   */
  readonly candidates: readonly Candidate[];
  /** How many do not fit for each reason. */
  readonly rejected: Readonly<Record<string, number>>;
}

interface RowsEstimate extends Estimate {
  readonly rows: number;
}

/** Candidates that fit, besides what was chosen, that are listed. */
const MOST_LISTED = 5;

/** Why the kernels of a program are as they are, and what their launches take at these sizes. */
export function choicesOf(
  { kernels, program }: Pick<LoweredProgram, "kernels" | "program">,
  planned: readonly Bindings[],
): readonly KernelChoice[] {
  const works = workByRows(program, planned);
  return kernels.flatMap(({ kernel: { id, family, params }, definition }) =>
    definition.choices.map(({ problem, config, reason, candidates }) => {
      // Another device's may be an equal one.
      const key = keyOf(config);
      const cost = candidates.find((candidate) => keyOf(candidate.config) === key)?.cost ?? null;
      return {
        kernel: id,
        family,
        params,
        rows: problem.rows,
        device: problem.device.name,
        speed: problem.device.speed?.of ?? null,
        config,
        reason,
        cost,
        atLeast: cost === null ? estimates(problem, works.get(id)) : null,
        fitting: candidates.filter(({ rejected }) => rejected === null).length,
        ...listed(candidates, config),
      };
    }),
  );
}

function estimates(
  { device: { speed }, rows }: Problem,
  works: ReadonlyMap<number, Work> | undefined,
): readonly RowsEstimate[] | null {
  if (speed === null) return null;
  const all = rows.flatMap((count) => {
    const work = works?.get(count);
    const estimate = work === undefined ? undefined : estimateOf(work, speed);
    return estimate === undefined ? [] : [{ rows: count, ...estimate }];
  });
  return all.length === 0 ? null : all;
}

function listed(candidates: readonly Candidate[], chosen: KernelConfig) {
  const seconds = ({ cost }: Candidate) => cost?.seconds ?? Number.POSITIVE_INFINITY;
  // Stable: of equal cost, or where it is not known, in the family's order.
  const fitting = candidates
    .filter(({ rejected }) => rejected === null)
    .sort(
      (a, b) => Number(b.config === chosen) - Number(a.config === chosen) || compare(seconds(a), seconds(b)),
    );
  const byReason = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const { rejected } = candidate;
    if (rejected !== null) byReason.set(rejected, [...(byReason.get(rejected) ?? []), candidate]);
  }
  return {
    candidates: [
      ...fitting.slice(0, 1 + MOST_LISTED),
      ...[...byReason.values()].flatMap(([first]) => first ?? []),
    ],
    rejected: Object.fromEntries([...byReason].map(([reason, all]) => [reason, countOf(all)])),
  };
}

/** With those that are not listed. */
function countOf(rejected: readonly Candidate[]): number {
  return rejected.reduce((sum, { alike = 0 }) => sum + 1 + alike, 0);
}

/** Of two infinite ones neither is less. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

/**
 * The choices as text: each kernel with its rows, then for the devices that take it the config, what its launches take by the cost
 * model, and the others.
 *
 *   ternary-gemm-3072x9216-i8-bias, rows 4096, 512
 *     GPU: int8-packed threadsX 8 … (the cheapest of 220 that fit)
 *       by a GPU of the middle class: 4096 rows 14.1 ms (int8, 24.0 waves), 512 rows 1.77 ms (int8, 3.00 waves)
 *       int8-packed threadsX 8 …: 1.02 times as long
 *       and 214 more that fit
 *       int8-packed threadsX 16 … and 31 more: 512 threads, and the device has 256
 */
export function printChoices(choices: readonly KernelChoice[]): string {
  const lines: string[] = [];
  let kernel: string | undefined;
  for (const [text, sharing] of grouped(choices)) {
    const [first] = sharing;
    if (first !== undefined && first.kernel !== kernel) {
      kernel = first.kernel;
      lines.push(`${kernel}, rows ${first.rows.join(", ") || "not known"}`);
    }
    lines.push(`  ${sharing.map(({ device }) => device).join(", ")}: ${text}`);
  }
  return lines.join("\n");
}

/** Choices by what there is to say of them: a kernel's for several devices may differ in nothing. */
function grouped(choices: readonly KernelChoice[]): Iterable<readonly [string, readonly KernelChoice[]]> {
  const groups = new Map<string, KernelChoice[]>();
  for (const choice of choices) {
    const key = `${choice.kernel} ${describe(choice)}`;
    groups.set(key, [...(groups.get(key) ?? []), choice]);
  }
  return [...groups.values()].map((sharing) => [
    sharing[0] === undefined ? "" : describe(sharing[0]),
    sharing,
  ]);
}

function describe(choice: KernelChoice): string {
  const { config, reason, cost, atLeast, speed, candidates, fitting } = choice;
  const others = candidates.filter((candidate) => candidate.config !== config);
  const fit = others.filter(({ rejected }) => rejected === null);
  // What was chosen may be none of the candidates: another device's.
  const left = fitting - fit.length - (candidates.length > others.length ? 1 : 0);
  return [
    `${printConfig(config)} (${reason})`,
    ...(cost === null ? [] : [`    by ${speed}: ${cost.launches.map(printLaunch).join(", ")}`]),
    ...(atLeast === null
      ? []
      : [`    at least, by operations and bytes on ${speed}: ${atLeast.map(printEstimate).join(", ")}`]),
    ...fit.map((other) => `    ${printConfig(other.config)}: ${comparison(other.cost, cost)}`),
    ...(left > 0 ? [`    and ${left} more that fit`] : []),
    ...others.flatMap(({ config: other, rejected }) => {
      if (rejected === null) return [];
      const more = (choice.rejected[rejected] ?? 1) - 1;
      return [`    ${printConfig(other)}${more > 0 ? ` and ${more} more` : ""}: ${rejected}`];
    }),
  ].join("\n");
}

function comparison(other: Cost | null, chosen: Cost | null): string {
  if (other === null || chosen === null) return "fits too";
  return `${(other.seconds / chosen.seconds).toFixed(2)} times as long`;
}

function printLaunch({ rows, seconds, bound, waves, filled }: Cost["launches"][number]): string {
  const idle = filled < 0.95 ? `, ${Math.round((1 - filled) * 100)}% idle` : "";
  return `${rows} rows ${printSeconds(seconds)} (${bound}, ${waves.toPrecision(3)} waves${idle})`;
}

function printEstimate({ rows, seconds, bound }: RowsEstimate): string {
  return `${rows} rows ${printSeconds(seconds)} (${bound})`;
}

function printConfig({ variant, ...numbers }: KernelConfig): string {
  return [variant, ...Object.entries(numbers).map(([name, value]) => `${name} ${value}`)].join(" ");
}
