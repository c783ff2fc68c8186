import type { ByteReader } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import { type Graph, subgraphsOf, typeOf, type ValueId } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { inputOf, roleOf } from "../../ir/models/index.js";
import type { OpName } from "../../ir/ops/index.js";
import { importModel } from "../import-model.js";
import { interruptible } from "../interruptible.js";
import { Unrecognized } from "../models/family.js";
import { type PassContext, UNLIMITED } from "../pass.js";
import { canonicalize } from "../passes/canonicalize.js";
import { foldConstants } from "../passes/fold-constants.js";
import { FRONT_PASSES } from "../passes/index.js";
import { runPasses } from "../passes/run-passes.js";
import { batchBindings } from "./batch-bindings.js";
import { whyUnrecognized } from "./describe-model.js";
import { agreedShapes, shapeKey, shapeReadings, withShapes } from "./input-shapes.js";
import { fixedBatch, oneSample } from "./one-sample.js";
import { requireSmallConstants } from "./small-constants.js";

/** What recognition makes of a model. */
export interface Recognition {
  /** A FLUX-level graph for one sample; of other models the generic operations. */
  readonly graph: Graph;
  /** Where recognition stopped; undefined for a FLUX transformer. */
  readonly stopped: Unrecognized | undefined;
}

/** A model file or folder as a FLUX-level graph for one sample; other graphs keep their generic operations. */
export function importAndRecognize(path: string, reader: ByteReader): Graph {
  return recognize(importModel(path), reader);
}

/** The graph of `recognition`. */
export function recognize(imported: Graph, reader: ByteReader): Graph {
  return recognition(imported, reader).graph;
}

/**
 * `fold-constants`, `canonicalize`, the recognizers and `describe-model`. The batch axes of a FLUX transformer are
 * bound to 1: its samples are known not to mix. In any other graph they may, so there they stay symbols.
 *
 * Which axes are the batch follows from the graph: symbols that it needs to be equal are one, whatever they are called.
 */
export function recognition(imported: Graph, reader: ByteReader): Recognition {
  return interruptible(() => recognizeReadings(imported, reader));
}

function recognizeReadings(imported: Graph, reader: ByteReader): Recognition {
  verifyGraph(imported);
  requireSmallConstants(imported);
  if (!holdsAttention(imported)) {
    const graph = front(imported, reader, {});
    return { graph, stopped: whyUnrecognized(graph) };
  }
  let stopped: Unrecognized | undefined;
  const tried = new Set<string>();
  for (const reading of shapeReadings(imported)) {
    try {
      const unified = withShapes(
        imported,
        agreedShapes(imported, fold(withShapes(imported, reading), reader)),
      );
      const key = shapeKey(unified);
      if (tried.has(key)) continue;
      tried.add(key);
      const graph = front(singleSample(unified, reader), reader, batchBindings(unified));
      if (graph.model !== undefined) return { graph, stopped: undefined };
      stopped ??= whyUnrecognized(graph);
    } catch (error) {
      // One sample need not even fit a graph that is no transformer.
      if (!(error instanceof TritcError)) throw error;
      stopped ??= new Unrecognized(
        error.details.place ?? imported.name,
        "a graph that one sample fits",
        error.details.message,
      );
    }
  }
  return { graph: front(imported, reader, {}), stopped };
}

/** Whether there is anything to find blocks by: no reading of the inputs brings attention into a graph. */
function holdsAttention({ nodes }: Graph): boolean {
  return nodes.some((node) => ATTENTION.has(node.op) || subgraphsOf(node).some(holdsAttention));
}

/** What every form of attention is imported as. */
const ATTENTION: ReadonlySet<OpName> = new Set<OpName>(["softmax", "softmax-flat", "attention"]);

/** A model that was exported for a fixed number of samples, as it is for one of them, if they do not mix. */
function singleSample(graph: Graph, reader: ByteReader): Graph {
  const count = fixedBatch(graph);
  if (count === undefined) return graph;
  const canonical = runPasses(graph, [foldConstants, canonicalize], context(reader, {}));
  return oneSample(canonical, count, reader) ?? graph;
}

function context(reader: ByteReader, bindings: PassContext["options"]["bindings"]): PassContext {
  return {
    reader,
    options: { ternarize: "none", activations: "f32", bindings, sizes: {}, limits: UNLIMITED },
  };
}

function front(graph: Graph, reader: ByteReader, bindings: PassContext["options"]["bindings"]): Graph {
  return runPasses(graph, FRONT_PASSES, context(reader, bindings));
}

function fold(graph: Graph, reader: ByteReader): Graph {
  return foldConstants.run(graph, context(reader, {}));
}

/**
 * The axis of each input and output that samples of a batch run along: the leading one where a FLUX transformer has its
 * batch, and in other inputs the one that was bound to 1.
 */
export function batchAxesOf(imported: Graph, recognized: Graph): ReadonlyMap<ValueId, number | null> {
  const axes = new Map<ValueId, number | null>();
  for (const id of [...recognized.inputs, ...recognized.outputs]) {
    axes.set(id, batchAxisOf(imported, recognized, id));
  }
  return axes;
}

function batchAxisOf(imported: Graph, recognized: Graph, id: ValueId): number | null {
  const { shape } = typeOf(recognized, id);
  if (shape === null) return null;
  if (recognized.model === undefined) return null;
  const role = roleOf(recognized.model, id);
  if (role === null && recognized.inputs.includes(id)) {
    const given = imported.types.get(id)?.shape;
    const bound = shape.findIndex((dim, axis) => dim === 1 && given?.[axis] !== 1);
    if (bound >= 0 || shape.length < 3) return bound < 0 ? null : bound;
  }
  const shared = role !== null && inputOf(role).positions && shape.length < 3;
  return shape[0] === 1 && !shared ? 0 : null;
}

/** What needs a recognized model, and what else there is. */
export interface NeedsFlux {
  readonly code: "TRITC_E_NOT_FLUX" | "TRITC_E_LORA";
  readonly message: string;
  readonly remedy: string;
}

/** `--ternarize` of a model without blocks. */
export const TERNARY_NEEDS_FLUX: NeedsFlux = {
  code: "TRITC_E_NOT_FLUX",
  message: "no transformer blocks of a FLUX model were recognized, so no weight can become ternary",
  remedy:
    "--ternarize none takes the graph as it is, in full precision; tritc inspect lists what was not recognized",
};

/** `--lora` of a model without blocks. */
export const LORA_NEEDS_FLUX: NeedsFlux = {
  code: "TRITC_E_LORA",
  message: "an adapter can be merged into a FLUX transformer only, and none was recognized",
  remedy: "leave --lora out; tritc inspect lists what was not recognized",
};

/** Throws where recognition stopped, if it did. */
export function requireFlux({ graph, stopped }: Recognition, need: NeedsFlux): void {
  if (graph.model !== undefined) return;
  const { place, expected, found } = stopped ?? new Unrecognized("the graph", "blocks", "none");
  throw new TritcError({ ...need, place: `${graph.name}: ${place}`, expected, found });
}
