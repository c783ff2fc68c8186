import { createHash } from "node:crypto";
import { FAMILIES, isFamily } from "../../ir/families/index.js";
import { canonicalJson } from "../../ir/format/canonical.js";
import {
  amount,
  decodeJson,
  index,
  list,
  nullable,
  object,
  oneOf,
  optional,
  string,
  tagged,
} from "../../ir/format/decode.js";
import { parseStrictJson } from "../../ir/format/strict-json.js";
import { kernelConfig } from "../../ir/program/json.js";
import type { Kernel, KernelConfig } from "../../ir/program/program.js";
import { keyOf } from "../../templates/choice/configs.js";
import type { Measured } from "../../templates/index.js";
import { MOST_METADATA_BYTES, readRegularText } from "../regular-file.js";

/** What became of a candidate: its time counts only if its results are those of the kernel that it would replace. */
export const OUTCOMES = ["right", "wrong", "failed", "hung"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** A candidate that was tried on a device, at one number of rows. */
export interface Measurement {
  readonly kind: "measured";
  readonly device: string;
  /** Which of a target's kinds of devices it is. */
  readonly deviceKind: string;
  /** Family and parameters; see `problemKey`. */
  readonly kernel: string;
  readonly rows: number;
  readonly config: KernelConfig;
  /** SHA-256 of the kernel's source, which another version may have made other. */
  readonly code: string;
  readonly outcome: Outcome;
  /** Median of a launch; null where there is none. */
  readonly seconds: number | null;
  /** Half the distance of the quartiles over the median. */
  readonly spread: number | null;
}

/** What a search came to. */
export interface Finding {
  readonly kind: "chosen";
  readonly device: string;
  readonly deviceKind: string;
  readonly kernel: string;
  /** Rows of the launches that it was chosen for, the most first. */
  readonly rows: readonly number[];
  /** SHA-256 of the chosen kernel's source, which another version may have made other. */
  readonly code: string;
  readonly config: KernelConfig;
  /**
   * Seconds of its launches in a run of its program, those of a prompt divided among the steps, with the config that the bundle was
   * compiled with and with this one.
   */
  readonly before: number;
  readonly after: number;
  /** Standard error of their ratio. */
  readonly spread: number;
  /** Candidates that were tried, and how many there are. */
  readonly tried: number;
  readonly candidates: number;
  /** Seconds that the whole search was given, for all kernels together: one that has more goes on. Absent where nobody knows. */
  readonly budget?: number | undefined;
}

export type TuningRecord = Measurement | Finding;

/** Name of a bundle's records. */
export const TUNING_FILE = "tuning.jsonl";

/** Kernels of one family with the same parameters are one, in whatever bundle. */
export function problemKey({ family, params }: Pick<Kernel, "family" | "params">): string {
  return `${family} ${canonicalJson(params)}`;
}

export function hashOf(source: string): string {
  return createHash("sha256").update(source).digest("hex");
}

/** One record to a line. */
export function printRecords(records: readonly TuningRecord[]): string {
  return records.map((entry) => `${JSON.stringify(entry)}\n`).join("");
}

const decoder = tagged<TuningRecord>("kind", {
  measured: object<Measurement>({
    kind: oneOf("measured"),
    device: string,
    deviceKind: string,
    kernel: string,
    rows: index,
    config: kernelConfig,
    code: string,
    outcome: oneOf(...OUTCOMES),
    seconds: nullable(amount),
    spread: nullable(amount),
  }),
  chosen: object<Finding>({
    kind: oneOf("chosen"),
    device: string,
    deviceKind: string,
    kernel: string,
    rows: list(index),
    code: string,
    config: kernelConfig,
    before: amount,
    after: amount,
    spread: amount,
    tried: index,
    candidates: index,
    budget: optional(amount),
  }),
});

/**
 * Reads records, one to a line; editors may have left a mark of byte order, empty lines, and no end of the last. A last line that is torn,
 * as a process leaves that was killed, is left out. Throws TRITC_E_TUNING.
 */
export function parseRecords(text: string, file: string): readonly TuningRecord[] {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  return lines.flatMap((line, i) => {
    if (line.trim() === "" || (i === lines.length - 1 && isTorn(line))) return [];
    return decodeJson(
      line,
      decoder,
      `${file}:${i + 1}`,
      "remove the line or the file; `tritc tune` measures anew",
      "TRITC_E_TUNING",
    );
  });
}

/** Whether a line without an end is the beginning of a record, and not all of one. */
function isTorn(line: string): boolean {
  try {
    parseStrictJson(line);
    return false;
  } catch {
    return line.startsWith("{");
  }
}

/** Records in a file. Throws TRITC_E_TUNING and what `readRegularText` throws. */
export async function readRecords(file: string): Promise<readonly TuningRecord[]> {
  return parseRecords(readRegularText(file, MOST_METADATA_BYTES), file);
}

/** Records by what they say something about; of several the last counts. */
export class Records {
  readonly #measured = new Map<string, Measurement>();
  readonly #chosen = new Map<string, Finding>();

  constructor(records: Iterable<TuningRecord> = []) {
    for (const entry of records) this.add(entry);
  }

  add(entry: TuningRecord): void {
    if (entry.kind === "chosen") this.#chosen.set(findingKey(entry), entry);
    else this.#measured.set(measurementKey(entry), entry);
  }

  /** All of them, findings last. */
  get all(): readonly TuningRecord[] {
    return [...this.#measured.values(), ...this.#chosen.values()];
  }

  measurement(
    of: Pick<Measurement, "device" | "kernel" | "rows" | "config" | "code">,
  ): Measurement | undefined {
    return this.#measured.get(measurementKey(of));
  }

  finding(of: Pick<Finding, "device" | "kernel" | "rows">): Finding | undefined {
    return this.#chosen.get(findingKey(of));
  }
}

/**
 * The config that records found best for a kind of devices, of those the one for the number of rows that is nearest to the problem's
 * most, by their ratio, and at most `times` more or fewer. Of several the last counts.
 */
export function measuredBy(
  records: readonly TuningRecord[],
  times = Number.POSITIVE_INFINITY,
): Measured | undefined {
  const findings = records.filter((entry): entry is Finding => entry.kind === "chosen");
  if (findings.length === 0) return undefined;
  return ({ family, params, rows, device }) => {
    if (!isFamily(family)) return undefined;
    const key = problemKey({ family, params: FAMILIES[family].record(params as never) });
    let [nearest, best]: [number, Finding | undefined] = [times, undefined];
    for (const finding of findings) {
      if (finding.kernel !== key || finding.deviceKind !== device.name) continue;
      const apart = ratioOf(finding.rows, rows);
      if (apart <= nearest) [nearest, best] = [apart, finding];
    }
    return best?.config;
  };
}

/** How many times more or fewer numbers of rows are than others; 1 where they have one in common or nothing is known. */
function ratioOf(found: readonly number[], wanted: readonly number[]): number {
  if (found.length === 0 || wanted.length === 0 || found.some((count) => wanted.includes(count))) return 1;
  const [own, others] = [Math.max(...found), Math.max(...wanted)];
  return Math.max(own / others, others / own);
}

function measurementKey(of: Pick<Measurement, "device" | "kernel" | "rows" | "config" | "code">): string {
  return [of.device, of.kernel, of.rows, keyOf(of.config), of.code].join("\n");
}

function findingKey({ device, kernel, rows }: Pick<Finding, "device" | "kernel" | "rows">): string {
  return [device, kernel, rows.join(",")].join("\n");
}
