import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { readRows } from "../../ir/constant/read.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { printType } from "../../ir/graph/print.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { type GroupSize, groupRanges } from "../../ir/ternary/groups.js";
import { importModel } from "../import-model.js";
import { recognition, requireFlux } from "../recognize/recognition.js";
import { type Parameter, parametersOf } from "./parameters.js";
import type { Start } from "./start.js";
import { fittedTernary, storedTernary, type TernaryWeight } from "./ternary-weight.js";

/** Elements that are read at a time. */
const CHUNK = 1 << 20;

/**
 * All parameters of a model whose blocks are ternary already, as an earlier stage writes it, by what they are in the teacher:
 * names and order in its file do not matter. All of them are read once. Throws TRITC_E_START for a model that is not ternary or
 * another one, TRITC_E_NOT_FLUX, and the errors of `importModel`.
 */
export async function modelStart(
  teacher: Graph,
  path: string,
  {
    reader,
    signal,
    group = null,
  }: {
    readonly reader: ByteReader;
    readonly signal?: AbortSignal | undefined;
    /** Inputs that share a scale in the student: rows, or larger groups, of one scale are such groups too. */
    readonly group?: GroupSize | null;
  },
): Promise<Start> {
  const found = recognition(importModel(path), reader);
  requireFlux(found, NEEDS_FLUX);
  const weights = new Map<ValueId, TernaryWeight>();
  const plain = new Map<ValueId, Constant>();
  const hash = createHash("sha256");
  for (const [{ id, role, ternary, group: own }, { constant }] of pairsOf(teacher, found.graph, {
    path,
    group,
  })) {
    const stored = ternary ? storedTernary(constant, own) : undefined;
    const weight = ternary ? (stored ?? fittedTernary(constant, own)) : undefined;
    if (weight === undefined) plain.set(id, constant);
    else weights.set(id, weight);
    hash.update(`${role} ${printType(constant)}\n`);
    const [rows = 1, ...rest] = constant.shape;
    const step = Math.max(1, Math.floor(CHUNK / countOf(rest)));
    for (let row = 0; row < rows; row += step) {
      const part = (of: Constant) => readRows(of, row, Math.min(rows, row + step), reader);
      const read = weight === undefined ? [part(constant)] : [part(weight.codes), part(weight.scales)];
      for (const { dtype, data } of read) hash.update(encodeBytes(dtype, data));
      const [codes, scales] = read;
      if (codes !== undefined && scales !== undefined) {
        const values = stored === undefined ? part(constant) : undefined;
        requireTernary({ codes, scales, values }, `${path}: ${role}`, { row, group: own });
      }
      await setImmediate();
      signal?.throwIfAborted();
    }
  }
  return { weights, plain, identity: hash.digest("hex").slice(0, 12) };
}

const NEEDS_FLUX = {
  code: "TRITC_E_NOT_FLUX",
  message: "no FLUX transformer was recognized in the model to start from",
  remedy: "give a model that `tritc distill` wrote; tritc inspect lists what was not recognized",
} as const;

/** Parameters of two models that play one part. Throws TRITC_E_START where one has none, or another shape. */
function pairsOf(
  teacher: Graph,
  start: Graph,
  { path, group }: { readonly path: string; readonly group: GroupSize | null },
): readonly (readonly [teacher: Parameter, start: Parameter])[] {
  const byRole = (graph: Graph) => new Map(parametersOf(graph, group).map((found) => [found.role, found]));
  const [wanted, given] = [byRole(teacher), byRole(start)];
  const shapeOf = (of: Parameter | undefined) =>
    of === undefined ? "none" : `[${of.constant.shape.join(", ")}]`;
  const pairs: (readonly [Parameter, Parameter])[] = [];
  for (const role of new Set([...wanted.keys(), ...given.keys()])) {
    const [own, other] = [wanted.get(role), given.get(role)];
    if (own !== undefined && other !== undefined && shapeOf(own) === shapeOf(other)) pairs.push([own, other]);
    else {
      throw badStart(
        "the model to start from is another than the one to learn from",
        `${path}: ${role}`,
        shapeOf(own),
        shapeOf(other),
        "give a model that was made from this one, its layers split and joined in the same way",
      );
    }
  }
  return pairs;
}

/** Throws TRITC_E_START where codes are not in {-1, 0, 1}, or where there are values and they are others than s·t. */
function requireTernary(
  {
    codes,
    scales,
    values,
  }: { readonly codes: Tensor; readonly scales: Tensor; readonly values?: Tensor | undefined },
  place: string,
  { row: firstRow, group }: { readonly row: number; readonly group: GroupSize | null },
): void {
  const [rows = 1, columns = 1] = codes.shape;
  for (let row = 0, s = 0; row < rows; row++) {
    for (const [start, end] of groupRanges(columns, group)) {
      const scale = Number(scales.data[s++]);
      for (let i = row * columns + start; i < row * columns + end; i++) {
        const code = codes.data[i] as number;
        if (code >= -1 && code <= 1 && (values === undefined || values.data[i] === code * scale)) continue;
        throw badStart(
          "the model to start from is not ternary",
          place,
          `${group === null ? "rows" : `groups of ${group}`} of -s, 0 and s alone`,
          `${values?.data[i] ?? code * scale} in row ${firstRow + row}, where s is ${scale}`,
          "give a model that `tritc distill` wrote, and --group as it has it; or `--start exact`, or `--start calibrated`",
        );
      }
    }
  }
}

function badStart(
  message: string,
  place: string,
  expected: string,
  found: string,
  remedy: string,
): TritcError {
  return new TritcError({ code: "TRITC_E_START", message, place, expected, found, remedy });
}
