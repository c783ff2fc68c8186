import type { onnx as Onnx } from "onnx-proto";
import type { Tensor } from "../../ir/tensor.js";
import { model, node, tensor, value } from "./onnx-builder.js";
import { uniform } from "./random.js";

export interface RandomGraph {
  readonly bytes: Uint8Array;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: readonly string[];
  /** Operators in the order of the nodes, for messages. */
  readonly operators: readonly string[];
}

interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A model of `count` random operators on small f32 tensors, with inputs for it. The same seed gives the same. */
export function randomGraph(seed: number, count: number): RandomGraph {
  return new Generator(seed).build(count);
}

const UNARY = ["Neg", "Abs", "Sigmoid", "Tanh", "Erf", "Cos", "Sin", "Relu", "Softplus"] as const;
const BINARY = ["Add", "Sub", "Mul", "Max", "Min"] as const;

class Generator {
  readonly #next: () => number;
  readonly #nodes: Onnx.INodeProto[] = [];
  readonly #initializers: Onnx.ITensorProto[] = [];
  readonly #values: Value[] = [];
  #names = 0;

  constructor(seed: number) {
    this.#next = uniform(seed);
  }

  build(count: number): RandomGraph {
    const n = this.#int(2, 7);
    const shapes = [
      [n, this.#int(1, 9)],
      [n, this.#int(2, 4), this.#int(2, 6)],
    ];
    const inputs = new Map<string, Tensor>();
    for (const [i, shape] of shapes.entries()) {
      inputs.set(`in${i}`, { dtype: "f32", shape, data: Float32Array.from(this.#numbers(shape)) });
      this.#values.push({ name: `in${i}`, shape });
    }
    while (this.#nodes.length < count) this.#step();
    const last = this.#values.at(-1);
    const unread = this.#values.slice(2).filter((v) => !this.#nodes.some((m) => m.input?.includes(v.name)));
    const outputs = [...new Set([...unread, ...(last === undefined ? [] : [last])])].slice(-3);
    return {
      inputs,
      outputs: outputs.map((v) => v.name),
      operators: this.#nodes.map((m) => m.opType ?? ""),
      bytes: model({
        // The leading size is a name in half of the models.
        inputs: shapes.map((s, i) => value(`in${i}`, "f32", this.#named ? ["n", ...s.slice(1)] : s)),
        outputs: outputs.map((v) => value(v.name, "f32")),
        nodes: this.#nodes,
        initializers: this.#initializers,
      }),
    };
  }

  /** Reshapes and broadcasts below fix the leading size, so names stay out where those are drawn. */
  get #named(): boolean {
    return !this.#nodes.some((m) =>
      ["Reshape", "Concat", "Slice", "Add", "Sub", "Mul", "Max", "Min"].includes(m.opType ?? ""),
    );
  }

  #int(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  #pick<T>(list: readonly T[]): T {
    const item = list[Math.floor(this.#next() * list.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  #numbers(shape: readonly number[]): number[] {
    return Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
      Math.fround(this.#next() * 3 - 1.5),
    );
  }

  #constant(shape: readonly number[]): string {
    const name = `c${this.#names++}`;
    this.#initializers.push(tensor(name, "f32", shape, this.#numbers(shape)));
    return name;
  }

  #integers(values: readonly number[]): string {
    const name = `i${this.#names++}`;
    this.#initializers.push(tensor(name, "i64", [values.length], values));
    return name;
  }

  #emit(op: string, inputs: readonly string[], shape: readonly number[], attributes = {}): Value {
    const made = { name: `v${this.#names++}`, shape };
    this.#nodes.push(node(op, inputs, [made.name], attributes));
    this.#values.push(made);
    return made;
  }

  #step(): void {
    const v = this.#pick(this.#values.slice(-4));
    const kinds = [
      "unary",
      "binary",
      "constant",
      "reshape",
      "transpose",
      "concat",
      "slice",
      "reduce",
      "softmax",
      "matmul",
      "norm",
    ];
    this.#apply(this.#pick(kinds), v, v.shape.length - 1);
  }

  #apply(kind: string, v: Value, last: number): void {
    const width = v.shape[last] ?? 1;
    switch (kind) {
      case "binary": {
        const fits = this.#values.filter((w) => broadcast(v.shape, w.shape) !== undefined);
        const w = this.#pick(fits);
        this.#emit(this.#pick(BINARY), [v.name, w.name], broadcast(v.shape, w.shape) ?? v.shape);
        return;
      }
      case "constant": {
        const shape = v.shape.slice(this.#int(0, last)).map((d) => (this.#next() < 0.4 ? 1 : d));
        const operands = [v.name, this.#constant(shape)];
        this.#emit(this.#pick(BINARY), this.#next() < 0.5 ? operands : operands.reverse(), v.shape);
        return;
      }
      case "reshape": {
        const shape = this.#factors(v.shape.reduce((a, b) => a * b, 1));
        this.#emit("Reshape", [v.name, this.#integers(shape)], shape);
        return;
      }
      case "transpose": {
        const perm = v.shape.map((_, axis) => axis).sort(() => this.#next() - 0.5);
        const shape = perm.map((axis) => v.shape[axis] ?? 1);
        this.#emit("Transpose", [v.name], shape, { perm: { ints: perm } });
        return;
      }
      case "concat": {
        const axis = this.#int(0, last);
        const w = this.#pick(this.#values.filter((o) => sameBut(v.shape, o.shape, axis)));
        if ((v.shape[axis] ?? 1) > 20) return;
        const shape = v.shape.map((d, i) => (i === axis ? d + (w.shape[i] ?? 0) : d));
        this.#emit("Concat", [v.name, w.name], shape, { axis: { i: axis } });
        return;
      }
      case "slice": {
        const axis = this.#int(0, last);
        const size = v.shape[axis] ?? 1;
        const [start, step] = [this.#int(0, size - 1), this.#int(1, 2)];
        const end = this.#int(start + 1, size);
        const operands = [[start], [end], [axis], [step]].map((list) => this.#integers(list));
        const shape = v.shape.map((d, i) => (i === axis ? Math.ceil((end - start) / step) : d));
        this.#emit("Slice", [v.name, ...operands], shape);
        return;
      }
      case "reduce": {
        if (last < 1) return;
        const keep = this.#next() < 0.5;
        const shape = keep ? [...v.shape.slice(0, -1), 1] : v.shape.slice(0, -1);
        const op = this.#pick(["ReduceMean", "ReduceMax", "ReduceMin"]);
        this.#emit(op, [v.name], shape, { axes: { ints: [-1] }, keepdims: { i: keep ? 1 : 0 } });
        return;
      }
      case "softmax":
        this.#emit("Softmax", [v.name], v.shape, { axis: { i: -1 } });
        return;
      case "matmul": {
        const n = this.#int(1, 9);
        this.#emit("MatMul", [v.name, this.#constant([width, n])], [...v.shape.slice(0, -1), n]);
        return;
      }
      case "norm": {
        const operands = [v.name, this.#constant([width]), this.#constant([width])];
        if (width > 1)
          this.#emit("LayerNormalization", operands, v.shape, { axis: { i: -1 }, epsilon: { f: 1e-3 } });
        return;
      }
      default:
        this.#emit(this.#pick(UNARY), [v.name], v.shape);
    }
  }

  /** A shape of one to four axes with this many elements. */
  #factors(count: number): number[] {
    const shape = [1];
    let rest = count;
    for (let prime = 2; rest > 1; ) {
      if (rest % prime !== 0) prime++;
      else {
        rest /= prime;
        if (shape.length < 4 && this.#next() < 0.4) shape.push(1);
        const axis = this.#int(0, shape.length - 1);
        shape[axis] = (shape[axis] ?? 1) * prime;
      }
    }
    return shape;
  }
}

function broadcast(a: readonly number[], b: readonly number[]): readonly number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let k = 1; k <= rank; k++) {
    const [p, q] = [a.at(-k) ?? 1, b.at(-k) ?? 1];
    if (k > a.length || k > b.length) shape.unshift(k > a.length ? q : p);
    else if (p === q || q === 1) shape.unshift(p);
    else if (p === 1) shape.unshift(q);
    else return undefined;
  }
  return shape;
}

function sameBut(a: readonly number[], b: readonly number[], axis: number): boolean {
  return a.length === b.length && a.every((d, i) => i === axis || d === b[i]);
}
