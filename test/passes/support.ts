import { type PassContext, UNLIMITED } from "../../compiler/pass.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import { evaluateDim, symbolsOf } from "../../ir/dim.js";
import { isFloat } from "../../ir/dtype.js";
import { type Graph, shapeOf, typeOf, type ValueId } from "../../ir/graph/graph.js";
import { bindSymbols, interpret } from "../../ir/interpret/index.js";
import { allocate, countOf, type Tensor } from "../../ir/tensor.js";
import { uniform } from "../support/random.js";

/** Values of symbols: exact names first, then every other symbol gets the value of `""`. */
export type Sizes = Readonly<Record<string, number>>;

export const IN_MEMORY: ByteReader = {
  read(file) {
    throw new Error(`these graphs hold their constants inline, but one asks for ${file}`);
  },
};

export function passContext(
  bindings: PassContext["options"]["bindings"] = {},
  reader: ByteReader = IN_MEMORY,
): PassContext {
  return {
    reader,
    options: { ternarize: "none", activations: "f32", bindings, sizes: {}, limits: UNLIMITED },
  };
}

/** Deterministic inputs without zeros: floats in ±[0.1, 1.1), integers in 1…6. */
export function randomInputs(graph: Graph, sizes: Sizes, seed = 1): Map<ValueId, Tensor> {
  const next = uniform(seed);
  const inputs = new Map<ValueId, Tensor>();
  for (const id of graph.inputs) {
    const { dtype } = typeOf(graph, id);
    const shape = shapeOf(graph, id).map((d) => {
      const names = symbolsOf(d);
      return evaluateDim(d, Object.fromEntries(names.map((n) => [n, sizes[n] ?? sizes[""] ?? 1])));
    });
    const data = allocate(dtype, countOf(shape));
    for (let i = 0; i < data.length; i++) {
      const u = next();
      if (data instanceof BigInt64Array || data instanceof BigUint64Array)
        data[i] = BigInt(1 + Math.floor(6 * u));
      else if (dtype === "bool") data[i] = u < 0.5 ? 0 : 1;
      else if (isFloat(dtype)) data[i] = (next() < 0.5 ? -1 : 1) * (0.1 + u);
      else data[i] = 1 + Math.floor(6 * u);
    }
    inputs.set(id, { dtype, shape, data });
  }
  return inputs;
}

/** Largest relative difference of any output of two graphs that should compute the same. */
export function difference(
  before: Graph,
  after: Graph,
  inputs: ReadonlyMap<ValueId, Tensor>,
  reader: ByteReader = IN_MEMORY,
): number {
  const bindings = bindSymbols(before, inputs);
  const wanted = interpret(before, inputs, { reader, bindings });
  const found = interpret(after, inputs, { reader, bindings });
  let worst = 0;
  for (const [i, id] of before.outputs.entries()) {
    const [a, b] = [wanted.get(id), found.get(after.outputs[i] ?? "")];
    if (a === undefined || b === undefined) throw new Error(`no value for ${id}`);
    if (a.shape.join() !== b.shape.join()) throw new Error(`${id}: [${a.shape}] became [${b.shape}]`);
    let peak = 1e-30;
    for (const v of a.data) peak = Math.max(peak, Math.abs(Number(v)));
    for (let k = 0; k < a.data.length; k++) {
      const apart = Math.abs(Number(a.data[k]) - Number(b.data[k]));
      // NaN compares false with everything: it counts as infinitely far away.
      worst = Math.max(worst, apart >= 0 ? apart / peak : Number.POSITIVE_INFINITY);
    }
  }
  return worst;
}
