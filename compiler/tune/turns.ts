import { keyOf } from "../../templates/choice/configs.js";
import type { DeviceProcess } from "./device-process.js";
import { programOf, type Setting } from "./settle.js";
import type { Variant } from "./variants.js";

/** What turns need to know of a case. */
type TurnsOf = Pick<Setting, "seconds" | "launches"> & {
  readonly counted: Pick<Setting["counted"], "rows">;
};

/** Name of a variant's program at one number of rows. */
export function programKey(
  { counted }: Pick<TurnsOf, "counted">,
  { config }: Pick<Variant, "config">,
): string {
  return `${counted.rows} ${keyOf(config)}`;
}

/** Loads a variant's program unless it is there. Returns whether it leaves what the kernel that is there does. */
export async function loadInto(process: DeviceProcess, setting: Setting, variant: Variant): Promise<boolean> {
  const key = programKey(setting, variant);
  const results = process.has(key)
    ? await process.results(key)
    : (await process.load(key, programOf(variant, setting), variant.code)).results;
  return results === setting.results;
}

/** Which variants to go on with after a round, by the seconds of their runs. */
export type Goes = (runs: readonly (readonly number[])[]) => boolean;

/**
 * Runs loaded variants in turns while `goes` says so, so that whatever else the machine does meets them all. Every other round goes
 * backwards: nobody is always behind the same other one. Returns the seconds of their runs, each variant's in the order of rounds.
 */
export async function runInTurns(
  process: Pick<DeviceProcess, "time">,
  setting: TurnsOf,
  variants: readonly Pick<Variant, "config">[],
  goes: Goes,
): Promise<readonly (readonly number[])[]> {
  const runs = variants.map((): number[] => []);
  const expected = setting.seconds * setting.launches;
  const order = variants.map((variant, i) => ({ key: programKey(setting, variant), own: runs[i] ?? [] }));
  do {
    for (const { key, own } of order) own.push((await process.time(key, 1, expected))[0] ?? 0);
    order.reverse();
  } while (goes(runs));
  return runs;
}

/** What a variant's runs took beside those of another in the same rounds. */
export function ratiosOf(own: readonly number[], other: readonly number[]): readonly number[] {
  return own.map((seconds, i) => seconds / (other[i] ?? seconds));
}
