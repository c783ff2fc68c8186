import { createHash } from "node:crypto";
import type { ByteReader } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { readRows } from "../../ir/constant/read.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { isBlockRole } from "../models/index.js";
import type { CalibrationDescription } from "./description.js";

/**
 * Tells models of the same sizes apart, in whatever file they are: SHA-256 over the middle row of each block weight, in the order of
 * what layers are called. Whatever trains or merges weights changes all rows of some, so the others need not be read.
 */
export function sourceOf(graph: Graph, reader: ByteReader): string {
  const weights = graph.nodes.flatMap(({ op, attrs, inputs: [, weight] }) => {
    const constant = graph.constants.get(weight ?? "");
    if (op !== "linear" || attrs.role === null || !isBlockRole(attrs.role) || !constant) return [];
    return [{ role: attrs.role, constant }];
  });
  const hash = createHash("sha256");
  for (const { role, constant } of weights.sort((a, b) => (a.role < b.role ? -1 : 1))) {
    const row = Math.floor((constant.shape[0] ?? 1) / 2);
    const { data } = readRows(constant, row, row + 1, reader);
    hash.update(`${role} [${constant.shape.join(",")}]\n`);
    hash.update(encodeBytes("f32", Float32Array.from(data, Number)));
  }
  return hash.digest("hex");
}

/** Throws TRITC_E_CALIBRATION where a calibration was drawn by other weights. */
export function requireSource(
  graph: Graph,
  { source }: CalibrationDescription,
  place: string,
  reader: ByteReader,
): void {
  const expected = sourceOf(graph, reader);
  if (expected === source) return;
  throw new TritcError({
    code: "TRITC_E_CALIBRATION",
    message: "the calibration is of a model with other weights",
    place,
    expected: `source ${expected}`,
    found: `source ${source}`,
    remedy: "calibrate with the model that is to become ternary",
  });
}
