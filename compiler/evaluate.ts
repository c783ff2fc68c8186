import { bindDims } from "../ir/bind-dims.js";
import { convertData, isBig } from "../ir/constant/convert.js";
import { type Dim, evaluateDim, symbolsOf } from "../ir/dim.js";
import { type DType, isFloat } from "../ir/dtype.js";
import { TritcError } from "../ir/errors.js";
import { type Graph, typeOf, type ValueId } from "../ir/graph/graph.js";
import { type InterpretOptions, interpret } from "../ir/interpret/index.js";
import type { Tensor } from "../ir/tensor.js";
import { interruptible } from "./interruptible.js";

/**
 * Runs a graph in the reference interpreter on named inputs, after checking that their names, dtypes and shapes
 * are what the graph asks for. Gives the graph's outputs (and `options.keep`) by name.
 */
export function evaluateModel(
  graph: Graph,
  inputs: ReadonlyMap<string, Tensor>,
  options: InterpretOptions,
): Map<ValueId, Tensor> {
  return interruptible(() => interpret(graph, checkInputs(graph, inputs), options));
}

/**
 * The inputs as the graph wants them. An integer dtype stands for another, and integers and floats for each
 * other, where every value survives the conversion unchanged. Throws TRITC_E_INPUT.
 */
export function checkInputs(graph: Graph, inputs: ReadonlyMap<string, Tensor>): Map<ValueId, Tensor> {
  for (const name of inputs.keys()) {
    if (!graph.inputs.includes(name)) {
      throw refuse(`input ${name}`, "the model has no such input", graph.inputs.join(", "), name);
    }
  }
  const missing = graph.inputs.filter((name) => !inputs.has(name));
  if (missing.length > 0) {
    const given = [...inputs.keys()].join(", ") || "no inputs";
    throw refuse("inputs", `${missing.join(", ")} not given`, graph.inputs.join(", "), given);
  }
  const sizes = new Map<string, { readonly size: number; readonly where: string }>();
  const checked = new Map<ValueId, Tensor>();
  for (const name of graph.inputs) {
    const tensor = inputs.get(name);
    if (tensor === undefined) continue;
    const type = typeOf(graph, name);
    if (type.shape !== null) bindShape(name, type.shape, tensor.shape, sizes);
    checked.set(name, convertInput(name, tensor, type.dtype));
  }
  checkPolynomials(graph, checked, sizes);
  return checked;
}

function bindShape(
  name: string,
  shape: readonly Dim[],
  found: readonly number[],
  sizes: Map<string, { readonly size: number; readonly where: string }>,
): void {
  const [expected, given] = [`[${shape.join(", ")}]`, `[${found.join(", ")}]`];
  if (shape.length !== found.length) {
    throw refuse(`input ${name}`, `rank ${found.length} instead of ${shape.length}`, expected, given);
  }
  shape.forEach((dim, axis) => {
    const size = found[axis] ?? 0;
    if (typeof dim === "number") {
      if (dim !== size)
        throw refuse(`input ${name}`, `axis ${axis} has size ${size}, not ${dim}`, expected, given);
      return;
    }
    if (symbolsOf(dim)[0] !== dim) return;
    const bound = sizes.get(dim);
    if (bound === undefined) sizes.set(dim, { size, where: `axis ${axis} of ${name}` });
    else if (bound.size !== size) {
      throw refuse(
        `input ${name}`,
        `the size ${dim} is ${bound.size} at ${bound.where} but ${size} at axis ${axis} here`,
        expected,
        given,
      );
    }
  });
}

/** Dimensions that are computed from other inputs' sizes. */
function checkPolynomials(
  graph: Graph,
  inputs: ReadonlyMap<ValueId, Tensor>,
  sizes: ReadonlyMap<string, { readonly size: number }>,
): void {
  const bindings: Record<string, number> = Object.assign(
    Object.create(null),
    Object.fromEntries([...sizes].map(([name, { size }]) => [name, size])),
  );
  const computed = [...inputs].flatMap(([name, tensor]) =>
    (typeOf(graph, name).shape ?? []).map((dim, axis) => ({
      name,
      axis,
      dim,
      size: tensor.shape[axis] ?? 1,
    })),
  );
  bindDims(computed, bindings);
  for (const { name, axis, dim, size } of computed) {
    const [unbound, ...more] = symbolsOf(dim).filter((symbol) => !Object.hasOwn(bindings, symbol));
    // A product of symbols that nothing else mentions: only the graph itself can tell.
    if (more.length > 0) continue;
    if (unbound !== undefined) {
      const why = `no whole number ${unbound} gives the size ${size} of axis ${axis}`;
      throw refuse(`input ${name}`, why, `${dim}`, `${size}`);
    }
    const expected = evaluateDim(dim, bindings);
    if (expected !== size)
      throw refuse(`input ${name}`, `axis ${axis} has size ${size}, not ${dim} = ${expected}`);
  }
}

function convertInput(name: string, tensor: Tensor, dtype: DType): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const data = convertData(tensor.data, tensor.dtype, dtype);
  // A float narrowed to another float is the user's own rounding; all else must come back unchanged.
  if (!(isFloat(tensor.dtype) && isFloat(dtype))) {
    const exact = tensor.dtype !== "bool" && dtype !== "bool" && equalValues(tensor, data);
    if (!exact)
      throw refuse(
        `input ${name}`,
        `values of ${tensor.dtype} that ${dtype} cannot hold`,
        dtype,
        tensor.dtype,
      );
  }
  return { dtype, shape: tensor.shape, data };
}

/** Compares as mathematical values: `==` between a bigint and a number is exact. */
function equalValues(tensor: Tensor, data: Tensor["data"]): boolean {
  const from = tensor.data;
  for (let i = 0; i < from.length; i++) {
    const [a, b] = [from[i]!, data[i]!];
    const same =
      isBig(from) === isBig(data) ? a === b : Number.isInteger(Number(a)) && BigInt(a) === BigInt(b);
    if (!same) return false;
  }
  return true;
}

function refuse(place: string, message: string, expected?: string, found?: string): TritcError {
  return new TritcError({
    code: "TRITC_E_INPUT",
    message,
    place,
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    remedy: "give every input of the model by its name, with its dtype and shape",
  });
}
