import { type ByteReader, type Constant, operandsOf } from "../ir/constant/constant.js";
import { byteLength } from "../ir/dtype.js";
import { type Graph, type NodeOf, shapeOf, typeOf, type ValueType } from "../ir/graph/graph.js";
import { type ModelDescription, roleOf } from "../ir/models/index.js";
import { countOf } from "../ir/tensor.js";
import { GROUP_SIZES, type GroupSize, groupsOf } from "../ir/ternary/groups.js";
import { codeRowBytes, type TernaryStorage } from "../ir/ternary/storage.js";
import type { LosslessGroup } from "./analysis/found-group.js";
import { losslessGroup } from "./analysis/lossless-group.js";
import { isBlockRole } from "./models/index.js";
import { blockLinears } from "./passes/ternarize.js";
import { summarizeRecognition } from "./recognize/index.js";
import type { Recognition } from "./recognize/recognition.js";
import { mapAsking } from "./sparse-files.js";

/** Whole rows, and groups from the largest down. */
const ANY_GROUP = [null, ...GROUP_SIZES.toReversed()];

/** Linears of one role: `double.*.img.q` stands for that linear in every double block. */
export interface LinearGroup {
  readonly role: string;
  readonly count: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Weights of all of them, biases not counted. */
  readonly weights: number;
}

export interface Inspection {
  /** null: not a FLUX transformer; it still compiles through generic operations where they allow. */
  readonly model: ModelDescription | null;
  /** Where recognition stopped: the value, what a FLUX transformer has there, and what this graph has; null if it did not. */
  readonly stopped: { readonly place: string; readonly expected: string; readonly found: string } | null;
  readonly inputs: readonly { readonly name: string; readonly role: string | null; readonly type: string }[];
  /** How many of each recognized operation. */
  readonly counts: Readonly<Record<string, number>>;
  readonly linears: readonly LinearGroup[];
  readonly parameters: number;
  /** Weights of the block linears, and their share of all parameters. */
  readonly ternaryWeights: number;
  readonly ternaryShare: number;
  /** How many of them hold {-s, 0, s}, by the inputs that share s (null: a row's), as far as their first rows say. */
  readonly ternaryAlready: readonly { readonly group: GroupSize | null; readonly linears: number }[];
  readonly unrecognized: readonly { readonly op: string; readonly count: number }[];
  /**
   * Bytes of the parameters: as the model stores them, in bf16, and with block weights at five trits a byte or in 2-bit
   * codes.
   */
  readonly storage: {
    readonly source: number;
    readonly bf16: number;
    readonly ternary: number;
    readonly twoBit: number;
  };
}

/** What a recognized graph is; of its weights the first rows are read, with a reader, for groups that they hold already. */
export function inspectGraph({ graph, stopped }: Recognition, reader?: ByteReader): Inspection {
  const { counts, unrecognized } = summarizeRecognition(graph);
  const linears = groupLinears(graph);
  const blocks = linears.filter((group) => isBlockRole(group.role));
  const ternaryWeights = blocks.reduce((sum, group) => sum + group.weights, 0);
  const constants = [...graph.constants.values()].filter((c) => c.source.kind !== "dims");
  const parameters = graph.model?.parameters ?? constants.reduce((sum, c) => sum + countOf(c.shape), 0);
  const ternary = mapAsking([...blockLinears(graph).values()], ({ weight }) => ({
    weight,
    found: reader === undefined ? undefined : losslessGroup(weight, reader, ANY_GROUP, 1),
  }));
  const packed = (form: TernaryStorage) =>
    ternary.reduce(
      (sum, { weight: { shape }, found }) => sum + ternaryBytes(shape, form, found),
      2 * (parameters - ternaryWeights),
    );
  return {
    model: graph.model ?? null,
    stopped:
      stopped === undefined
        ? null
        : { place: stopped.place, expected: stopped.expected, found: stopped.found },
    inputs: graph.inputs.map((name) => ({
      name,
      role: roleOf(graph.model, name),
      type: printInput(typeOf(graph, name)),
    })),
    counts,
    linears,
    parameters,
    ternaryWeights,
    ternaryAlready: countGroups(ternary.flatMap(({ found }) => found ?? [])),
    ternaryShare: parameters === 0 ? 0 : ternaryWeights / parameters,
    unrecognized,
    storage: {
      source: constants.reduce((sum, c) => sum + storedBytes(c), 0),
      bf16: 2 * parameters,
      ternary: packed("trits"),
      twoBit: packed("2bit"),
    },
  };
}

/** Bytes of a matrix's codes and scales. */
function ternaryBytes(
  [rows = 0, width = 0]: readonly number[],
  form: TernaryStorage,
  found: LosslessGroup | undefined,
): number {
  const { group, scales } = found?.group == null ? { group: null, scales: "f32" as const } : found;
  return rows * (codeRowBytes(form, width) + byteLength(scales, groupsOf(width, group)));
}

function countGroups(found: readonly LosslessGroup[]): Inspection["ternaryAlready"] {
  const groups = [...new Set(found.map(({ group }) => group))];
  return groups.map((group) => ({ group, linears: found.filter((each) => each.group === group).length }));
}

/** An input without a shape says so: the format allows it, and the model runs in the interpreter. */
function printInput({ dtype, shape }: ValueType): string {
  return shape === null ? `${dtype}, shape unknown` : `${dtype}[${shape.join(", ")}]`;
}

function groupLinears(graph: Graph): LinearGroup[] {
  const groups = new Map<string, LinearGroup>();
  for (const node of graph.nodes) {
    if (node.op !== "linear") continue;
    const [outFeatures, inFeatures] = weightShape(graph, node);
    const role = (node.attrs.role ?? "(no role)").replace(/^(double|single)\.\d+\./, "$1.*.");
    const key = `${role} ${inFeatures} ${outFeatures}`;
    const before = groups.get(key);
    const count = (before?.count ?? 0) + 1;
    groups.set(key, { role, count, inFeatures, outFeatures, weights: count * inFeatures * outFeatures });
  }
  return [...groups.values()];
}

function weightShape(graph: Graph, node: NodeOf<"linear">): readonly [number, number] {
  const [out, inner] = shapeOf(graph, node.inputs[1] ?? "");
  return [Number(out), Number(inner)];
}

/** Bytes of the file or of memory that a recipe starts from. */
function storedBytes({ shape, source }: Constant): number {
  switch (source.kind) {
    case "inline":
      return source.bytes.length;
    case "file":
      return source.length;
    case "dims":
    case "fill":
      return 0;
    case "dequantize":
      return storedBytes(source.codes) + storedBytes(source.scale);
    case "rows":
      return (storedBytes(source.of) * (shape[0] ?? 0)) / (source.of.shape[0] ?? 1);
    default:
      return operandsOf(source).reduce((sum, part) => sum + storedBytes(part), 0);
  }
}
