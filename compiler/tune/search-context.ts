import type { KernelConfig } from "../../ir/program/program.js";
import { hashOf, type Measurement, type Outcome, problemKey, type Records } from "../tuning/records.js";
import type { DeviceProcess } from "./device-process.js";
import type { Setting } from "./settle.js";
import type { Subject } from "./subjects.js";
import type { Variant } from "./variants.js";

export interface SearchContext {
  readonly process: DeviceProcess;
  readonly device: string;
  readonly records: Records;
  /** Makes a candidate; undefined where a device of the target takes no such kernel. */
  variant(subject: Subject, config: KernelConfig): Promise<Variant | undefined>;
  /** Takes note of a measurement at once. */
  note(measured: Measurement): Promise<void>;
  /** Called for each candidate that was tried or left out. */
  onCandidate(): void;
  readonly signal?: AbortSignal | undefined;
}

/** A case as it is measured now. */
export interface Settled extends Setting {
  /** How many times longer the kernel that is there takes now than by the records; 1 where they do not have it. */
  readonly drift: number;
}

/** A kernel as it is measured. */
export interface Prepared {
  readonly subject: Subject;
  readonly present: Variant;
  /** Seconds that making its code took. */
  readonly making: number;
  readonly settings: readonly Settled[];
  /** Seconds of its launches in a run of its program. */
  readonly seconds: number;
}

/** Of a launch: its seconds and their spread; null where a candidate was no good. */
export type Timed = Pick<Measurement, "seconds" | "spread"> | null;

/** What the records have of a variant in a setting. */
export function recordOf(
  subject: Subject,
  { config, code }: Variant,
  { counted }: Pick<Setting, "counted">,
  { records, device }: Pick<SearchContext, "records" | "device">,
): Measurement | undefined {
  const { rows } = counted;
  return records.measurement({
    ...{ device, kernel: problemKey(subject.kernel), rows, config },
    code: hashOf(code.source),
  });
}

/** Adds to the records what became of a variant in a setting. */
export async function takeNote(
  subject: Subject,
  { config, code }: Variant,
  { counted }: Pick<Setting, "counted">,
  outcome: Outcome,
  timed: Timed,
  context: Pick<SearchContext, "records" | "device" | "note">,
): Promise<void> {
  const measured: Measurement = {
    kind: "measured",
    device: context.device,
    deviceKind: subject.device.name,
    kernel: problemKey(subject.kernel),
    rows: counted.rows,
    config,
    code: hashOf(code.source),
    outcome,
    seconds: timed?.seconds ?? null,
    spread: timed?.spread ?? null,
  };
  context.records.add(measured);
  await context.note(measured);
}
