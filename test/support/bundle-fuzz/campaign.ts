import type { Tensor } from "../../../ir/tensor.js";
import type { Device } from "../../../runtime/device.js";
import { attempt, type Files, type Outcome } from "./harness.js";
import { diceOf, type Mutation, mutateDocument } from "./mutate.js";
import { mutateWeights } from "./weights.js";

/** A case that was accepted and gave another result, or did what none may do. */
export interface Finding {
  readonly seed: number;
  readonly mutations: readonly Mutation[];
  readonly outcome: Outcome;
}

export interface Campaign {
  readonly counts: Readonly<Record<Outcome["kind"], number>>;
  /** Codes of refusals, by how often. */
  readonly codes: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
  /** The longest case. */
  readonly slowestMs: number;
}

/** What takes longer counts as a hang. */
const SLOW_MS = 10_000;

/** What came of a case within the time that it may take. */
async function inTime<T>(work: Promise<T>): Promise<T | Outcome> {
  const late: Outcome = { kind: "fault", message: `it takes more than ${SLOW_MS} ms` };
  const started = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<Outcome>((resolve) => {
    timer = setTimeout(resolve, SLOW_MS, late);
  });
  const outcome = await Promise.race([work, limit]);
  clearTimeout(timer);
  return performance.now() - started > SLOW_MS ? late : outcome;
}

/** The seed's change of a bundle: one place of one of its documents, or two. */
export function mutate(
  files: Files,
  seed: number,
): { readonly files: Files; readonly mutations: readonly Mutation[] } {
  const roll = diceOf(seed);
  const changed = new Map(files);
  const mutations: Mutation[] = [];
  for (let count = roll(4) === 0 ? 2 : 1; count > 0; count--) {
    const kind = roll(8);
    if (kind === 0) mutations.push(mutateWeights(changed, roll));
    else {
      const file = kind === 1 ? "manifest.json" : "program.json";
      const root: unknown = JSON.parse(new TextDecoder().decode(changed.get(file)));
      mutations.push(mutateDocument(root, roll, file));
      changed.set(file, new TextEncoder().encode(JSON.stringify(root)));
    }
  }
  return { files: changed, mutations };
}

/** Opens and runs changed bundles, one for each seed from `first` on. */
export async function campaign(
  files: Files,
  device: Device,
  inputs: ReadonlyMap<string, Tensor>,
  first: number,
  cases: number,
): Promise<Campaign> {
  const original = await attempt(files, device, inputs, undefined);
  if (original.kind !== "result") throw new Error(`the bundle itself: ${JSON.stringify(original)}`);
  const counts = { refused: 0, equal: 0, other: 0, large: 0, fault: 0 };
  const codes = new Map<string, number>();
  const findings: Finding[] = [];
  let slowestMs = 0;
  for (let seed = first; seed < first + cases; seed++) {
    const { files: changed, mutations } = mutate(files, seed);
    const started = performance.now();
    const outcome = await inTime(attempt(changed, device, inputs, original.outputs));
    slowestMs = Math.max(slowestMs, performance.now() - started);
    if (outcome.kind === "result") continue;
    counts[outcome.kind]++;
    if (outcome.kind === "refused") codes.set(outcome.code, (codes.get(outcome.code) ?? 0) + 1);
    if (outcome.kind === "other" || outcome.kind === "fault") findings.push({ seed, mutations, outcome });
  }
  return { counts, codes, findings, slowestMs };
}
