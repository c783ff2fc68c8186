import { GraphBuilder } from "../../compiler/graph-builder.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { matMulModel, type NBits, nBitsModel, type ProductSize, productModel } from "../matmul-model.js";
import { node, type PeerModel, type Weight } from "../peer-model.js";
import { graphTask } from "./graph-task.js";
import { floats, SCALE, trits, weightReader } from "./numbers.js";
import { onnxRuntimeTask } from "./onnx-runtime.js";
import { type Closing, closeAll } from "./opened.js";
import type { BenchContext, Opened, Subject } from "./subject.js";

/** Layers of the shapes model, and such as FLUX.1 has. */
const SIZES: readonly ProductSize[] = [
  { m: 28, k: 256, n: 768 },
  { m: 28, k: 256, n: 1792 },
  { m: 28, k: 1280, n: 256 },
  { m: 1, k: 3072, n: 3072 },
  { m: 64, k: 3072, n: 3072 },
  { m: 512, k: 3072, n: 3072 },
];

/** int8 rows have 8 bits: an error of up to a 254th of the row's largest, of every number. */
const OF_INT8 = 0.02;
const OF_FLOATS = 2e-6;
/** Four bits, and rows become bytes. */
const N_BITS: NBits = { bits: 4, block: 32, accuracy: 4 };

/** Weights of 2 bits, in rows as a model has them, or turned. */
interface Weights {
  /** [n, k] */
  readonly codes: Int8Array<ArrayBuffer>;
  readonly turned: Int8Array<ArrayBuffer>;
}

/** Linears of ternary weights beside what ONNX Runtime has for them: floats, bytes, blocks of few bits. */
export const LINEARS: readonly Subject[] = SIZES.map((size) => ({
  name: `kernels/linear ${size.m} x ${size.k} x ${size.n}`,
  open: (context) => openLinear(size, context),
}));

async function openLinear(size: ProductSize, context: BenchContext): Promise<Opened> {
  const { m, k } = size;
  const x = floats(m * k);
  const weights = weightsOf(size);
  const [graph, reader] = [linearGraph(size), weightReader()];
  const ours = (name: string, activations: "int8" | "f32", group?: GroupSize) =>
    graphTask(name, graph, { x }, context, {
      reader,
      options: { ternarize: "exact", activations, ...(group === undefined ? {} : { group }) },
      tolerance: activations === "int8" ? OF_INT8 : OF_FLOATS,
    });
  const peer = (name: string, model: PeerModel) => onnxRuntimeTask(name, model, { x }, context, OF_INT8);
  const opened: Closing[] = [
    await peer(
      "ONNX Runtime MatMul, f32",
      matMulModel(
        size,
        Float32Array.from(weights.turned, (t) => t * SCALE),
      ),
    ),
    // It has none of WebGPU.
    ...(context.target === "cpu"
      ? [await peer("ONNX Runtime MatMulInteger", matMulInteger(size, weights))]
      : []),
    await peer("ONNX Runtime MatMulNBits, 4 bits", nBitsModel(size, weights.codes, SCALE, N_BITS)),
    await ours("ternary, int8 rows", "int8"),
    await ours("ternary in groups of 128, int8 rows", "int8", 128),
    await ours("ternary, f32 rows", "f32"),
    await graphTask("dense f32", graph, { x }, context, { reader, tolerance: OF_FLOATS }),
  ];
  return closeAll(opened);
}

function weightsOf({ k, n }: ProductSize): Weights {
  const codes = trits(n * k);
  const turned = new Int8Array(n * k);
  for (let o = 0; o < n; o++) for (let i = 0; i < k; i++) turned[i * n + o] = codes[o * k + i] ?? 0;
  return { codes, turned };
}

function linearGraph({ m, k, n }: ProductSize): Graph {
  const builder = new GraphBuilder();
  const x = builder.input("x", [m, k]);
  const source = { kind: "file", file: "trits", offset: 0, length: 4 * n * k } as const;
  const w = builder.constant("w", { dtype: "f32", shape: [n, k], source });
  // Its role is what makes it ternary.
  const attrs = { role: "single.0.out", activation: "none", gated: false } as const;
  return builder.graph("linear", [builder.node("y", "linear", [x, w], attrs)]);
}

/** Rows become bytes, which takes part of the time as it does in ours. */
function matMulInteger(size: ProductSize, { turned }: Weights): PeerModel {
  const w: Weight = { dims: [size.k, size.n], type: "i8", data: turned };
  const scale: Weight = { dims: [1], type: "f32", data: Float32Array.of(SCALE) };
  return productModel(size, { w, scale }, [
    node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
    node("MatMulInteger", ["q", "w", "z"], ["sums"]),
    node("Cast", ["sums"], ["floats"], { to: 1 }),
    node("Mul", ["s", "scale"], ["scales"]),
    node("Mul", ["floats", "scales"], ["y"]),
  ]);
}
