import { type Constant, operandsOf } from "../ir/constant/constant.js";
import type { Graph } from "../ir/graph/graph.js";

/** How many tensors of a model's files are stored in a type or quantized form. */
export interface StoredKind {
  readonly kind: string;
  readonly tensors: number;
}

/** What the tensors that a graph reads from files are stored as, the most frequent first. */
export function storedKinds(graph: Graph): readonly StoredKind[] {
  const kinds = new Map<string, string>();
  const seen = new Set<Constant>();
  const visit = (constant: Constant, form: string): void => {
    if (seen.has(constant)) return;
    seen.add(constant);
    const { source } = constant;
    if (source.kind === "file") kinds.set(`${source.file}: ${source.offset}`, form);
    if (source.kind === "affine") visit(source.codes, `MLX ${source.bits}-bit`);
    else if (source.kind === "blocks") visit(source.of, source.format);
    else for (const operand of operandsOf(source)) visit(operand, operand.dtype.toUpperCase());
  };
  for (const constant of graph.constants.values()) visit(constant, constant.dtype.toUpperCase());
  const counts = new Map<string, number>();
  for (const kind of kinds.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts]
    .map(([kind, tensors]) => ({ kind, tensors }))
    .sort((a, b) => b.tensors - a.tensors || (a.kind < b.kind ? -1 : 1));
}
