import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { groupsOf } from "../../ir/ternary/groups.js";
import type { PackedRows } from "./journal.js";
import { hasScales } from "./row-packer.js";
import { type Segment, segmentsOf, sourceBytes } from "./segments.js";
import type { KnownScales } from "./tensor-rows.js";
import type { PackedLayout, PackedTensor } from "./weights-file.js";

/** What an earlier run has packed. */
export interface EarlierWork {
  isDone(tensor: string, row: number): boolean;
  /** Bytes of the source that need not be read again. */
  readonly bytes: number;
}

/**
 * Looks through the rows of an earlier run: those whose bytes are in the file as the journal says are done, and their
 * scales are noted.
 */
export async function earlierWork(
  file: FileHandle,
  layout: PackedLayout,
  records: readonly PackedRows[],
  scales: KnownScales,
): Promise<EarlierWork> {
  const tensors = new Map(layout.tensors.map((packed) => [packed.tensor.name, packed]));
  const done = new Map<string, Uint8Array>();
  let bytes = 0;
  for (const record of records) {
    const packed = tensors.get(record.tensor);
    const segment = packed === undefined ? undefined : segmentOf(packed, record);
    if (packed === undefined || segment === undefined) continue;
    if ((await hashOf(file, packed, record)) !== record.hash) continue;
    if (hasScales(segment.method) && !noteScales(segment, record, scales)) continue;
    const rows = done.get(record.tensor) ?? new Uint8Array(packed.tensor.constant.shape[0] ?? 1);
    done.set(record.tensor, rows.fill(1, record.at, record.at + record.rows));
    bytes += sourceBytes(segment, record.rows);
  }
  return { isDone: (tensor, row) => done.get(tensor)?.[row] === 1, bytes };
}

/** Notes the scales of rows of a weight. */
export function rememberScales(
  { weight, matrix, group }: Segment,
  row: number,
  found: Float32Array,
  scales: KnownScales,
): void {
  const groups = groupsOf(matrix.width, group);
  const known = scales.get(weight) ?? new Float32Array((weight.shape[0] ?? 0) * groups).fill(Number.NaN);
  known.set(found, row * groups);
  scales.set(weight, known);
}

function segmentOf({ tensor }: PackedTensor, { at, rows }: PackedRows): Segment | undefined {
  return segmentsOf(tensor)?.find((s) => s.at <= at && at + rows <= s.at + s.count);
}

function noteScales(segment: Segment, record: PackedRows, scales: KnownScales): boolean {
  const bytes = new Uint8Array(Buffer.from(record.scales, "base64"));
  if (bytes.length !== 4 * record.rows * groupsOf(segment.matrix.width, segment.group)) return false;
  const row = segment.start + record.at - segment.at;
  rememberScales(segment, row, new Float32Array(bytes.buffer), scales);
  return true;
}

async function hashOf(file: FileHandle, { tensor, offset, bytes }: PackedTensor, record: PackedRows) {
  const rowBytes = bytes / (tensor.constant.shape[0] ?? 1);
  const data = new Uint8Array(record.rows * rowBytes);
  const { bytesRead } = await file.read(data, 0, data.length, offset + record.at * rowBytes);
  return createHash("sha256").update(data.subarray(0, bytesRead)).digest("hex");
}
