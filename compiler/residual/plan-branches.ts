import type { Constant } from "../../ir/constant/constant.js";
import { byteLength, type DType } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { InputMoments } from "../calibration/folder.js";
import type { PlannedRange } from "../gptq/planned-file.js";
import type { Branch } from "../pass.js";
import { type BlockLinear, blockLinears } from "../passes/ternarize.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/** A ternary linear layer with a branch, and where in a file U, V and, by moments, its bias come to lie. */
export interface BranchedLayer extends BlockLinear, PlannedRange {
  readonly rows: number;
  readonly columns: number;
  readonly codes: Constant;
  readonly scales: Constant;
  /** Of what it reads; undefined where that is not known. */
  readonly moments: InputMoments | undefined;
}

export interface PlannedBranches {
  /** The ternary model; by moments, on biases that are read from the file. */
  readonly graph: Graph;
  /** By the codes of their layers. */
  readonly branches: ReadonlyMap<Constant, Branch>;
  readonly file: string;
  readonly rank: number;
  readonly layers: readonly BranchedLayer[];
  /** Roles of layers that are too small for a branch. */
  readonly without: readonly string[];
}

interface BranchOptions {
  readonly rank: number;
  readonly file: string;
  /** Finds the moments of what a layer reads. */
  readonly momentsOf?: ((role: string, columns: number) => InputMoments) | undefined;
}

/**
 * Lays out a file for branches of low rank beside the ternary linears of a model's blocks, which `fitBranches` fills. No weights
 * are read. Throws TRITC_E_RESIDUAL_RANK where no layer is large enough.
 *
 * @param original with the weights that the ternary ones are made from
 */
export function planBranches(
  original: Graph,
  ternary: Graph,
  { rank, file, momentsOf }: BranchOptions,
): PlannedBranches {
  const linears = blockLinears(original);
  const edit = new GraphEditor(ternary);
  const branches = new Map<Constant, Branch>();
  const layers: BranchedLayer[] = [];
  const without: string[] = [];
  let bytes = 0;
  const stored = (dtype: DType, shape: readonly number[]): Constant => {
    const length = byteLength(
      dtype,
      shape.reduce((a, b) => a * b, 1),
    );
    bytes += length;
    return { dtype, shape, source: { kind: "file", file, offset: bytes - length, length } };
  };
  for (const node of ternary.nodes) {
    const linear = linears.get(node.outputs[0] ?? "");
    if (node.op !== "ternary-linear" || linear === undefined) continue;
    const [x = null, codesId = null, scalesId = null, , ...epilogue] = node.inputs;
    const [codes, scales] = [codesId, scalesId].map((id) => ternary.constants.get(id ?? ""));
    if (codes === undefined || scales === undefined) continue;
    const [rows = 0, columns = 0] = codes.shape;
    if (2 * rank >= Math.min(rows, columns)) {
      without.push(linear.role);
      continue;
    }
    const moments = momentsOf?.(linear.role, columns);
    const offset = bytes;
    branches.set(codes, {
      role: linear.role,
      up: stored("f16", [rows, rank]),
      down: stored("f16", [rank, columns]),
    });
    if (moments !== undefined) {
      const bias = edit.namedConstant(`${linear.weightId}.bias`, stored("f32", [rows]));
      edit.put({ ...node, inputs: [x, codesId, scalesId, bias, ...epilogue] });
    }
    layers.push({ ...linear, rows, columns, codes, scales, moments, offset, bytes: bytes - offset });
  }
  if (layers.length === 0) throw tooLarge(rank, [...linears.values()]);
  return { graph: edit.finish(), branches, file, rank, layers, without };
}

function tooLarge(rank: number, linears: readonly BlockLinear[]): TritcError {
  const smallest = linears.map(({ weight }) => Math.min(...weight.shape));
  const most = Math.ceil(Math.max(0, ...smallest) / 2) - 1;
  return new TritcError({
    code: "TRITC_E_RESIDUAL_RANK",
    message: "no layer of this model is large enough for a branch of this rank",
    place: "--residual-rank",
    expected: most > 0 ? `a rank of at most ${most}` : "a model with larger layers",
    found: String(rank),
    remedy: "give a smaller rank, or leave --residual-rank out",
    exitCode: 2,
  });
}
