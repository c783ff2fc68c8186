import { join } from "node:path";
import type { Constant } from "../../../ir/constant/constant.js";
import type { Graph } from "../../../ir/graph/graph.js";
import { printType } from "../../../ir/graph/print.js";
import { GROUP_SIZES, type GroupSize } from "../../../ir/ternary/groups.js";
import { readTeacher } from "../../calibrate/teacher.js";
import { fileReader } from "../../file-reader.js";
import { familyOf } from "../../models/index.js";
import { dataFileOf } from "../../onnx-export/files.js";
import { modelFileOf, publishFolder } from "../../onnx-export/publish.js";
import { type Learned, openLearned, specOf } from "../learned.js";
import { parametersOf } from "../parameters.js";
import { trainedOf } from "../student.js";
import { writeStudent } from "../write-student.js";
import { type BlockResult, blockFile } from "./result.js";
import { badSegment, readSegment, type Segment } from "./segment-folder.js";
import { unshare } from "./unshare.js";

export interface MergeBlocksOptions {
  /** The full-precision model. */
  readonly input: string;
  readonly segments: readonly string[];
  readonly out: string;
  readonly pipeline?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface MergeBlocksReport {
  readonly out: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly segments: number;
  readonly blocks: readonly BlockResult[];
}

/**
 * Makes the model of all segments of a training. Throws TRITC_E_SEGMENT where they are not that, each once, or of another
 * model; those of `readTeacher` and `publishFolder`.
 */
export async function mergeBlocks(options: MergeBlocksOptions): Promise<MergeBlocksReport> {
  const { input, out, pipeline, signal } = options;
  const segments = segmentsOf(options.segments, out);
  const reader = fileReader();
  try {
    const { model, graph, ports } = readTeacher({ input, pipeline }, reader);
    const blocks = segments.flatMap(({ segment }) => segment.blocks);
    const [expected = "", found = ""] = [familyOf(model).blocks(model), blocks.map(({ block }) => block)].map(
      String,
    );
    if (expected !== found) throw badSegment(out, "these are not the blocks of the model", expected, found);
    const whole = unshare(graph);
    const learned = new Map<string, Constant>();
    for (const { folder, segment } of segments) {
      for (const { block } of segment.blocks) {
        const path = join(folder, blockFile(block));
        for (const [name, constant] of openLearned(path)) learned.set(name, constant);
      }
    }
    const group = GROUP_SIZES.find((size) => size === segments[0]?.segment.group);
    requireComplete(whole, { learned, group: group ?? null }, out);
    return await publishFolder(out, { signal }, async (work) => {
      await work.begin([]);
      const { modelBytes, dataBytes } = await writeStudent(work.bundle, whole, ports, learned, signal);
      const path = modelFileOf(out);
      const files = [
        { path, bytes: modelBytes },
        { path: dataFileOf(path), bytes: dataBytes },
      ];
      return { out, files, segments: segments.length, blocks };
    });
  } finally {
    reader.close();
  }
}

/** In the order of the blocks. Throws TRITC_E_SEGMENT. */
function segmentsOf(folders: readonly string[], out: string) {
  const all = folders
    .map((folder) => ({ folder, segment: readSegment(folder) }))
    .sort((a, b) => a.segment.shard.index - b.segment.shard.index);
  const [first] = all;
  if (first === undefined) throw badSegment(out, "there is nothing to put together", "segments", "none");
  for (const [i, { folder, segment }] of all.entries()) {
    const training = ({ identity, shard: { count } }: Segment) => `${identity} in ${count} segments`;
    const [expected, found] = [first.segment, segment].map(training);
    if (expected !== found)
      throw badSegment(folder, "the segment is of another training", expected ?? "", found ?? "");
    if (segment.shard.index === i + 1) continue;
    throw notEachOnce(folder, segment.shard.count, all);
  }
  if (all.length !== first.segment.shard.count) throw notEachOnce(out, first.segment.shard.count, all);
  return all;
}

function notEachOnce(place: string, count: number, all: readonly { readonly segment: Segment }[]) {
  const found = `segments ${all.map(({ segment }) => segment.shard.index).join(", ")}`;
  return badSegment(place, "these are not the segments of a training, each once", `1 to ${count}`, found);
}

/** Throws TRITC_E_SEGMENT for values that the model does not have, and where a ternary weight is missing. */
function requireComplete(
  graph: Graph,
  { learned, group }: { readonly learned: Learned; readonly group: GroupSize | null },
  place: string,
): void {
  const specs = new Map(
    parametersOf(graph, group)
      .flatMap(trainedOf)
      .map((value) => [specOf(value).name, { ...specOf(value), isNeeded: value.kind !== "plain" }]),
  );
  for (const name of new Set([...learned.keys(), ...specs.keys()])) {
    const [spec, constant] = [specs.get(name), learned.get(name)];
    const [expected, found] = [spec, constant].map((value) =>
      value === undefined ? "nothing" : printType(value),
    );
    if (expected === found || (constant === undefined && spec?.isNeeded === false)) continue;
    throw badSegment(place, `${name} is not what the model has`, expected ?? "", found ?? "");
  }
}
