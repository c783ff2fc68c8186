import type { KernelConfig } from "../../ir/program/program.js";
import { keyOf } from "../../templates/choice/configs.js";
import { type Finding, hashOf, problemKey, type Records } from "../tuning/records.js";
import type { BundleProgram } from "./programs.js";
import type { SearchContext } from "./search-context.js";
import type { Subject } from "./subjects.js";

/** What became of a kernel. */
export interface TunedKernel
  extends Pick<Finding, "before" | "after" | "spread" | "tried" | "candidates" | "rows"> {
  readonly network: BundleProgram["name"];
  readonly kernel: string;
  readonly family: string;
  readonly from: KernelConfig;
  readonly config: KernelConfig;
  /** Candidates that were no good, by what was wrong with them. */
  readonly faults: Readonly<Record<"wrong" | "failed" | "hung", number>>;
  /** Whether records said it all and nothing was measured. */
  readonly isKnown: boolean;
}

/**
 * What records say of a kernel that was tuned before and is as it was left, with all candidates that there are or by a budget as large as
 * this one; undefined where there is something to measure.
 */
export async function knownOf(
  subject: Subject,
  { device, records, variant }: Pick<SearchContext, "device" | "records" | "variant">,
  { budget, again }: { readonly budget: number; readonly again: boolean },
): Promise<TunedKernel | undefined> {
  const { kernel, cases, candidates } = subject;
  const rows = cases.map((counted) => counted.rows);
  const found = again ? undefined : records.finding({ device, kernel: problemKey(kernel), rows });
  if (found === undefined || found.candidates !== candidates.length) return undefined;
  if (found.tried < found.candidates && (found.budget ?? 0) < budget) return undefined;
  // Records of a bundle whose kernels add in another order have configs that leave other bits.
  const isMeant = [subject.present, ...candidates].some((config) => keyOf(config) === keyOf(found.config));
  const chosen = isMeant ? await variant(subject, found.config) : undefined;
  if (chosen === undefined || hashOf(chosen.code.source) !== found.code) return undefined;
  return {
    ...resultOf(subject, found, records, device),
    isKnown: true,
  };
}

/**
 * What a search came to that went on where an earlier one ended: its gain is that of both, as records are read for what a kernel gains
 * over the one that a bundle was compiled with.
 */
export function sinceCompiled(found: Finding, { present }: Subject, earlier: Finding | undefined): Finding {
  if (earlier === undefined || keyOf(earlier.config) !== keyOf(present) || earlier.after === 0) return found;
  const gained = earlier.before / earlier.after;
  return {
    ...found,
    before: found.before * gained,
    spread: Math.hypot(found.spread, earlier.spread),
    tried: Math.max(found.tried, earlier.tried),
  };
}

/** A finding, with what the records have of candidates that were no good. */
export function resultOf(
  { of, kernel, family, present }: Subject,
  { config, before, after, spread, tried, candidates, rows }: Finding,
  records: Records,
  device: string,
): Omit<TunedKernel, "isKnown"> {
  const key = problemKey(kernel);
  const own = records.all.filter(
    (entry) => entry.kind === "measured" && entry.device === device && entry.kernel === key,
  );
  const count = (outcome: string) =>
    new Set(
      own.flatMap((entry) =>
        entry.kind === "measured" && entry.outcome === outcome ? [keyOf(entry.config)] : [],
      ),
    ).size;
  return {
    ...{
      network: of.name,
      kernel: kernel.id,
      family,
      rows,
      from: present,
      config,
      before,
      after,
      spread,
      tried,
      candidates,
    },
    faults: { wrong: count("wrong"), failed: count("failed"), hung: count("hung") },
  };
}
