import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import type { CalibrationDescription } from "../calibration/description.js";
import { openCalibration } from "../calibration/folder.js";
import { addMoments, type Moments, openMoments, writeMoments } from "../calibration/moments.js";
import { partFile, partsOf } from "../calibration/parts.js";
import { requireSame, withCalibrationOutput } from "./output.js";

export interface MergeReport {
  readonly out: string;
  readonly samples: number;
  readonly parts: number;
  readonly shards: number;
}

/**
 * Puts all shards of a calibration into one folder, as if it had been drawn at once. Throws TRITC_E_CALIBRATION,
 * TRITC_E_CALIBRATION_DIFFERS and those of `withCalibrationOutput`.
 */
export async function mergeCalibrations(
  folders: readonly string[],
  out: string,
  signal?: AbortSignal,
): Promise<MergeReport> {
  const byShard = new Map<number, string>();
  let first: CalibrationDescription | undefined;
  for (const folder of folders) {
    const { description } = await openCalibration(folder);
    const { index } = description.shard;
    first ??= description;
    requireSame(folder, description, { ...first, shard: { index, count: first.shard.count } });
    const twin = byShard.get(index);
    if (twin !== undefined) throw incomplete(folder, `shard ${index} once`, `it in ${twin} too`);
    byShard.set(index, folder);
  }
  if (first === undefined) throw incomplete(out, "shards", "none");
  const { count } = first.shard;
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((i) => !byShard.has(i));
  if (missing.length > 0) throw incomplete(out, `${count} shards`, `no shard ${missing.join(", ")}`);
  const whole = { ...first, shard: { index: 1, count: 1 } };
  const moments = await momentsOfAll([...byShard.values()]);
  return withCalibrationOutput(out, async (output) => {
    for (const part of await output.begin(whole)) {
      signal?.throwIfAborted();
      await output.write(part, await readFile(join(byShard.get((part % count) + 1) ?? "", partFile(part))));
    }
    if (moments !== undefined) await writeMoments(output.folder, moments);
    return { out, samples: whole.samples, parts: partsOf(whole).length, shards: count };
  });
}

/** The sums of all shards; undefined where none has any. */
async function momentsOfAll(folders: readonly string[]): Promise<Moments | undefined> {
  const found: Moments[] = [];
  for (const folder of folders) {
    const own = openMoments(folder);
    if (own !== undefined) found.push(own);
  }
  const [first, ...rest] = found;
  return first === undefined ? undefined : rest.reduce(addMoments, first);
}

function incomplete(place: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_CALIBRATION",
    message: "these folders are not the shards of one calibration, each once",
    place,
    expected,
    found,
    remedy: "give the folder of every --shard once",
    exitCode: 2,
  });
}
