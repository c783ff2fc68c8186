import type { NodeOf } from "../../ir/graph/graph.js";
import type { OpName, OpOf, SectionName } from "../../ir/ops/index.js";
import type { Lowering } from "./lowering.js";

/** How nodes become launches; operations that no kernel family computes have no rule. */
export type Rules<K extends OpName> = { readonly [P in K]?: (lowering: Lowering, node: NodeOf<P>) => void };
/** The rules of a section of operations. */
export type Section<S extends SectionName> = Rules<OpOf<S>>;
