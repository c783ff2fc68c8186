import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TritcError } from "../../../ir/errors.js";
import { decodeJson, index, list, nullable, object, oneOf, string } from "../../../ir/format/decode.js";
import { type ModelDescription, modelDescription } from "../../../ir/models/index.js";
import { type Occupant, whatIsThere } from "../../bundle/occupant.js";
import { MOST_METADATA_BYTES, readRegularText } from "../../regular-file.js";
import type { Shard } from "../../shard.js";
import { type BlockResult, blockFile, blockResult } from "./result.js";

export const SEGMENT_FILE = "segment.json";

/** `segment.json`: which blocks' learned values are beside it, each in a file. */
export interface Segment {
  readonly format: "tritc-segment/1";
  readonly model: ModelDescription;
  /** Inputs of a row that share a scale; null: all of them. */
  readonly group: number | null;
  /** All that the result of the training depends on. */
  readonly identity: string;
  readonly shard: Shard;
  readonly blocks: readonly BlockResult[];
}

const segment = object<Segment>({
  format: oneOf("tritc-segment/1"),
  model: modelDescription,
  group: nullable(index),
  identity: string,
  shard: object<Shard>({ index, count: index }),
  blocks: list(blockResult),
});

const REMEDY = "give folders that `tritc distill --stage blocks --shard` wrote, each whole";

/** Throws TRITC_E_SEGMENT where a folder is no segment, or without one of its files. */
export function readSegment(folder: string): Segment {
  const place = join(folder, SEGMENT_FILE);
  const found = decodeJson(textOf(folder, place), segment, place, REMEDY, "TRITC_E_SEGMENT");
  const missing = found.blocks.find(({ block }) => !existsSync(join(folder, blockFile(block))));
  if (missing === undefined) return found;
  throw badSegment(folder, "a segment without one of its files", blockFile(missing.block), "nothing");
}

function textOf(folder: string, place: string): string {
  try {
    return readRegularText(place, MOST_METADATA_BYTES);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw badSegment(folder, "this is no segment of a training", `a folder with ${SEGMENT_FILE}`, found);
  }
}

export function badSegment(place: string, message: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_SEGMENT",
    message,
    place,
    expected,
    found,
    remedy: REMEDY,
    exitCode: 2,
  });
}

/** What is at the folder of a segment: an earlier one may be replaced. Throws as `whatIsThere`. */
export async function segmentThere(out: string): Promise<Occupant> {
  const known = existsSync(join(out, SEGMENT_FILE))
    ? readSegment(out).blocks.map(({ block }) => blockFile(block))
    : [];
  const foreign =
    known.length === 0
      ? undefined
      : (await readdir(out)).find((file) => ![SEGMENT_FILE, ...known].includes(file));
  const there = known.length === 0 ? await whatIsThere(out) : "bundle";
  if (foreign === undefined && (known.length > 0 || there !== "bundle")) return there;
  throw new TritcError({
    code: "TRITC_E_OUT_EXISTS",
    message: "something is at the output path that is not overwritten",
    place: out,
    expected: "a new path, an empty folder, or an earlier segment to replace",
    found: foreign === undefined ? "a bundle" : `a folder with ${foreign} in it`,
    remedy: "choose another path for --out, or remove what is there",
    exitCode: 2,
  });
}
