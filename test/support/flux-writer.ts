import type { onnx as Onnx } from "onnx-proto";
import { bfloatBits, halfBits } from "../../ir/constant/float16.js";
import { countOf } from "../../ir/tensor.js";
import type { FluxSize, FluxStyle } from "./flux-style.js";
import { type AttributeValue, node, type OnnxTypeName, tensor } from "./onnx-builder.js";
import { normals } from "./random.js";

/** A value of the ONNX graph under construction. */
export type Name = string;

/** The vocabulary of the builder: nodes, constants and weights of an ONNX graph under construction. */
export class OnnxWriter {
  readonly nodes: Onnx.INodeProto[] = [];
  readonly initializers: Onnx.ITensorProto[] = [];
  readonly random: () => number;
  readonly hidden: number;
  readonly headDim: number;
  counter = 0;

  constructor(
    readonly style: FluxStyle,
    readonly size: FluxSize,
    seed: number,
  ) {
    this.random = normals(seed);
    this.headDim = size.axes.reduce((a, b) => a + b, 0);
    this.hidden = size.heads * this.headDim;
  }

  op(
    type: string,
    inputs: readonly Name[],
    attrs: Readonly<Record<string, AttributeValue>> = {},
    domain = "",
  ): Name {
    const name = `v${this.counter++}`;
    this.nodes.push(node(type, inputs, [name], attrs, { domain }));
    return name;
  }

  many(
    type: string,
    inputs: readonly Name[],
    count: number,
    attrs: Readonly<Record<string, AttributeValue>>,
  ): Name[] {
    const names = Array.from({ length: count }, () => `v${this.counter++}`);
    this.nodes.push(node(type, inputs, names, attrs));
    return names;
  }

  constant(type: OnnxTypeName, dims: readonly number[], values: readonly number[]): Name {
    const name = `c${this.counter++}`;
    this.initializers.push(tensor(name, type, dims, values));
    return name;
  }

  f(v: number): Name {
    return this.constant("f32", [], [v]);
  }

  ints(...values: number[]): Name {
    return this.constant("i64", [values.length], values);
  }

  add = (a: Name, b: Name): Name => this.op("Add", [a, b]);
  mul = (a: Name, b: Name): Name => this.op("Mul", [a, b]);
  cast = (x: Name, to: number): Name => this.op("Cast", [x], { to: { i: to } });
  reshape = (x: Name, shape: Name): Name => this.op("Reshape", [x, shape]);
  transpose = (x: Name, ...perm: number[]): Name => this.op("Transpose", [x], { perm: { ints: perm } });
  concat = (xs: readonly Name[], axis: number): Name => this.op("Concat", xs, { axis: { i: axis } });

  unsqueeze(x: Name, ...axes: number[]): Name {
    return this.op("Unsqueeze", [x, this.ints(...axes)]);
  }

  squeeze(x: Name, axis: number): Name {
    return this.op("Squeeze", [x, this.ints(axis)]);
  }

  slice(x: Name, start: number, end: number, axis: number, step = 1): Name {
    return this.op("Slice", [x, this.ints(start), this.ints(end), this.ints(axis), this.ints(step)]);
  }

  split(x: Name, sizes: readonly number[], axis: number): Name[] {
    return this.many("Split", [x, this.ints(...sizes)], sizes.length, { axis: { i: axis } });
  }

  /** ReduceMean over the last axis; axes became an operand in opset 18. */
  mean(x: Name): Name {
    if (this.style.opset < 18)
      return this.op("ReduceMean", [x], { axes: { ints: [-1] }, keepdims: { i: 1 } });
    return this.op("ReduceMean", [x, this.ints(-1)], { keepdims: { i: 1 } });
  }

  /** A linear's random weights, [outputs, inputs]; the result stores them, transposed or not. */
  matrix(outputs: number, inputs: number): (transposed: boolean) => Name {
    const values = Array.from({ length: inputs * outputs }, () => this.random() / Math.sqrt(inputs));
    return (transposed) => {
      if (!transposed) return this.stored([outputs, inputs], values);
      const at = (i: number) => values[(i % outputs) * inputs + Math.floor(i / outputs)] ?? 0;
      return this.stored(
        [inputs, outputs],
        Array.from(values, (_, i) => at(i)),
      );
    };
  }

  /** A weight with standard deviation `scale` around `center`, stored in the style's type. */
  weight(dims: readonly number[], scale: number, center = 0): Name {
    return this.stored(
      dims,
      Array.from({ length: countOf(dims) }, () => center + scale * this.random()),
    );
  }

  /** A constant in the style's weight type, cast to f32 where that is another. */
  stored(dims: readonly number[], values: readonly number[]): Name {
    const { weightType } = this.style;
    if (weightType === "f32") return this.constant("f32", dims, values);
    const bits = weightType === "f16" ? halfBits : bfloatBits;
    return this.cast(this.constant(weightType, dims, values.map(bits)), 1);
  }

  dimOf(x: Name, axis: number): Name {
    return this.op("Gather", [this.op("Shape", [x]), this.constant("i64", [], [axis])], { axis: { i: 0 } });
  }
}
