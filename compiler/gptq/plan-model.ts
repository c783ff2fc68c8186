import type { Constant } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { type GroupSize, groupsOf, scalesShape } from "../../ir/ternary/groups.js";
import { codeRowBytes } from "../../ir/ternary/storage.js";
import type { InputMoments } from "../calibration/folder.js";
import { type BlockLinear, withTernaryWeights } from "../passes/ternarize.js";

/** A linear layer, and where in a file its ternary weights come to lie. */
export interface PlannedLayer extends BlockLinear {
  readonly rows: number;
  readonly columns: number;
  /** Inputs of a row that share a scale; null: all of them. */
  readonly group: GroupSize | null;
  /** Of the codes, as trits; then follow scales and bias, f32, and two f64: the sums of its rows' errors and energies. */
  readonly offset: number;
  readonly codesBytes: number;
  readonly bytes: number;
}

/** Layers that read one value: they share its moments, and so what is factored of them. */
export interface PlannedInput {
  readonly moments: InputMoments;
  readonly layers: readonly PlannedLayer[];
}

export interface PlannedModel {
  /** The model on ternary weights that are read from the file. */
  readonly graph: Graph;
  readonly file: string;
  readonly inputs: readonly PlannedInput[];
  /** Bytes of the file. */
  readonly bytes: number;
}

/**
 * Lays out a file for the ternary weights of all linears of a model's blocks, which `ternarizeModel` fills. No weights are
 * read. Throws TRITC_E_CALIBRATION for a layer whose input has no moments, or others.
 */
export function planModel(
  graph: Graph,
  moments: readonly InputMoments[],
  {
    file,
    calibration,
    group: wanted = null,
  }: {
    readonly file: string;
    readonly calibration: string;
    /** Inputs of a row that share a scale; null: all of them. */
    readonly group?: GroupSize | null;
  },
): PlannedModel {
  const momentsOf = momentsByRole(moments, calibration);
  const layers = new Map<InputMoments, PlannedLayer[]>(moments.map((input) => [input, []]));
  let bytes = 0;
  const stored = (
    dtype: "u8" | "f32",
    shape: readonly number[],
    offset: number,
    length: number,
  ): Constant => {
    return { dtype, shape, source: { kind: "file", file, offset, length } };
  };
  const ternary = withTernaryWeights(graph, (linear) => {
    const [rows = 0, columns = 0] = linear.weight.shape;
    const input = momentsOf(linear.role, columns);
    const codesBytes = rows * codeRowBytes("trits", columns);
    const group = wanted !== null && wanted < columns ? wanted : null;
    const scalesBytes = 4 * rows * groupsOf(columns, group);
    const layer = {
      ...{ ...linear, rows, columns, group, offset: bytes, codesBytes },
      bytes: codesBytes + scalesBytes + 4 * rows + 16,
    };
    layers.get(input)?.push(layer);
    bytes += layer.bytes;
    const codes = stored("u8", [rows, codeRowBytes("trits", columns)], layer.offset, codesBytes);
    return {
      codes: { dtype: "i8", shape: linear.weight.shape, source: { kind: "trits", of: codes } },
      scales: stored("f32", scalesShape(linear.weight.shape, group), layer.offset + codesBytes, scalesBytes),
      bias: stored("f32", [rows], layer.offset + codesBytes + scalesBytes, 4 * rows),
    };
  });
  const inputs = [...layers].map(([input, own]) => ({ moments: input, layers: own }));
  return { graph: ternary, file, inputs: inputs.filter((input) => input.layers.length > 0), bytes };
}

/** Finds the moments of what a layer reads. Throws TRITC_E_CALIBRATION where there are none, or others. */
export function momentsByRole(
  moments: readonly InputMoments[],
  calibration: string,
): (role: string, columns: number) => InputMoments {
  const byRole = new Map(moments.flatMap((input) => input.roles.map((role) => [role, input] as const)));
  return (role, columns) => {
    const input = byRole.get(role);
    if (input?.width !== columns) throw noMoments(role, columns, input, calibration);
    return input;
  };
}

function noMoments(
  role: string,
  columns: number,
  input: InputMoments | undefined,
  place: string,
): TritcError {
  return new TritcError({
    code: "TRITC_E_CALIBRATION",
    message: `the calibration does not say what the layer ${role} reads`,
    place,
    expected: `moments of ${columns} inputs`,
    found: input === undefined ? "none" : `moments of ${input.width}`,
    remedy: "calibrate with the model that is to become ternary, and with --moments",
  });
}
