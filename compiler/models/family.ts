import type { Graph, ValueId } from "../../ir/graph/graph.js";
import type { ModelDescription } from "../../ir/models/index.js";
import type { StoredTensors } from "../checkpoint/tensors.js";
import type { Resolved, RowRange } from "../lora/adapted.js";

/** A graph that is a transformer of a family. */
export interface Described {
  readonly model: ModelDescription;
  /** Linear (by its output) → its role, such as `double.3.img.q`. */
  readonly roles: ReadonlyMap<ValueId, string>;
}

/** Where the recognition of a transformer stopped: the value or operation, what it should be, what it is. */
export class Unrecognized extends Error {
  constructor(
    readonly place: string,
    readonly expected: string,
    readonly found: string,
  ) {
    super(`${place}: ${found} instead of ${expected}`);
  }
}

/** Thrown where the parts that a model has are another family's, though each is understood. */
export class OtherFamily extends Unrecognized {}

/** What the compiler knows of a family of transformers; `ir/models/` has what the runtime needs besides. */
export interface ModelFamily {
  readonly name: ModelDescription["family"];
  /** What a graph of model operations is, from its dataflow alone. Throws Unrecognized. */
  describe(graph: Graph): Described;
  /** Whether a linear of this role lies in a block, and so becomes ternary. */
  isBlockRole(role: string | null): boolean;
  /** What the roles of each block's linears begin with, before a dot, in the order in which blocks are evaluated. */
  blocks(model: ModelDescription): readonly string[];
  /** Whether a Diffusers `config.json` is that of a transformer of this family. */
  ownsConfig(file: string): boolean;
  /** Whether tensors without a configuration are plainly those of this family and of no other. */
  ownsTensors(tensors: StoredTensors): boolean;
  /**
   * The graph of a checkpoint's tensors, with its configuration, which is looked at first, where there is one. No weight
   * is read. Throws TRITC_E_CHECKPOINT.
   */
  build(tensors: () => StoredTensors, config: string | undefined, place: string): Graph;
  /** How adapters (LoRA and the like) name its modules, and where those are in a graph. */
  readonly adapters: {
    /** What a name of an adapter's module stands for in a model. */
    names(model: ModelDescription): (name: string) => Resolved;
    /** Where the linear or norm of each role is, in a described graph. */
    rows(graph: Graph): ReadonlyMap<string, RowRange>;
    /** The role of the linear that reads the latents, which an adapter may widen. */
    readonly embedder: string;
  };
}
