import { type Constant, operandsOf } from "../../ir/constant/constant.js";
import type { Graph } from "../../ir/graph/graph.js";
import { countOf } from "../../ir/tensor.js";
import { MOST_INLINE } from "../passes/fold-constants/sweep.js";
import { mapAsking, requireBytes } from "../sparse-files.js";

/** Asks for the bytes of all constants that folding puts into the graph, where they are not here yet: for all at once. */
export function requireSmallConstants({ constants }: Graph): void {
  const small = [...constants.values()].filter(({ shape }) => countOf(shape) <= MOST_INLINE);
  mapAsking(small.flatMap(rangesOf), ({ file, offset, length }) => requireBytes(file, offset, length));
}

function rangesOf({ source }: Constant): { file: string; offset: number; length: number }[] {
  return source.kind === "file" ? [source] : operandsOf(source).flatMap(rangesOf);
}
