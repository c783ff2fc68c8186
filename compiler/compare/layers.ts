import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { readRows } from "../../ir/constant/read.js";
import type { Graph, Node } from "../../ir/graph/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { groupSizeOf } from "../../ir/ternary/groups.js";
import { isBlockRole } from "../models/index.js";
import { fusedRole } from "../passes/fuse-shared-input.js";

/** A linear layer of the blocks. */
export interface Layer {
  readonly role: string;
  readonly rows: number;
  readonly columns: number;
  /** Rows of its weight as floats, and their bias. */
  read(start: number, end: number): { readonly weights: Float32Array; readonly bias: Float32Array };
}

/** The linear layers of the blocks, in the order of the graph; ternary weights are codes times scales. */
export function layersOf(graph: Graph, reader: ByteReader): readonly Layer[] {
  return graph.nodes.flatMap((node): readonly Layer[] => {
    const found = operandsOf(graph, node);
    if (found === undefined) return [];
    const { role, weight, scales, bias } = found;
    const [rows = 0, columns = 0] = weight.shape;
    return [
      {
        ...{ role, rows, columns },
        read(start, end) {
          const part = (of: Constant) => floats(readRows(of, start, end, reader));
          const weights =
            scales === undefined ? part(weight) : scaled(part(weight), part(scales), columns, scales.shape);
          return { weights, bias: bias === undefined ? new Float32Array(end - start) : part(bias) };
        },
      },
    ];
  });
}

function operandsOf(graph: Graph, { op, attrs, inputs }: Node) {
  if (op !== "linear" && op !== "ternary-linear" && op !== "ternary-qkv") return undefined;
  const { role } = attrs;
  const at = op !== "linear" && attrs.quantized ? 3 : 1;
  const [weight, ...rest] = inputs.slice(at).map((id) => graph.constants.get(id ?? ""));
  if (role === null || !isBlockRole(role) || weight === undefined) return undefined;
  const [scales, bias] = op === "linear" ? [undefined, rest[0]] : rest;
  return { role, weight, scales, bias };
}

function floats({ data }: Tensor): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data, Number);
}

/** Rows of codes times their scales, of which a row has one, or one for each group of its columns. */
function scaled(codes: Float32Array, scales: Float32Array, columns: number, shape: readonly number[]) {
  const group = groupSizeOf(columns, shape) ?? columns;
  const groups = Math.ceil(columns / group);
  return codes.map((code, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return code * (scales[row * groups + Math.floor(column / group)] ?? Number.NaN);
  });
}

/**
 * Layers by the reference's roles: those that a bundle computes in one, such as q, k and v, are rows of it. What is left has no
 * counterpart.
 */
export function byRoleOf(
  reference: readonly Layer[],
  layers: readonly Layer[],
): { readonly found: ReadonlyMap<string, Layer>; readonly left: readonly string[] } {
  const found = new Map<string, Layer>();
  const left: string[] = [];
  for (const layer of layers) {
    const parts = runNamed(reference, layer);
    if (parts === undefined) left.push(layer.role);
    let start = 0;
    for (const { role, rows, columns } of parts ?? []) {
      const first = start;
      found.set(role, { role, rows, columns, read: (from, to) => layer.read(first + from, first + to) });
      start += rows;
    }
  }
  return { found, left };
}

/** The reference's layers that one after the other make up a layer. */
function runNamed(reference: readonly Layer[], { role, rows, columns }: Layer): readonly Layer[] | undefined {
  const parent = parentOf(role);
  const near = reference.filter((layer) => parentOf(layer.role) === parent && layer.columns === columns);
  for (const start of near.keys()) {
    for (let end = start + 1; end <= near.length; end++) {
      const run = near.slice(start, end);
      const isIt = role === (run.length === 1 ? run[0]?.role : fusedRole(run.map((layer) => layer.role)));
      if (isIt && rows === run.reduce((sum, layer) => sum + layer.rows, 0)) return run;
    }
  }
  return undefined;
}

function parentOf(role: string): string {
  return role.slice(0, role.lastIndexOf("."));
}
