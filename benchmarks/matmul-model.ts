import { node, type PeerModel, type Weight } from "./peer-model.js";

/** y[m, n] = x[m, k] · w[k, n] */
export type ProductSize = Readonly<Record<"m" | "k" | "n", number>>;

/** A model whose `nodes` make y of x and of weights. */
export function productModel(
  { m, k, n }: ProductSize,
  weights: Readonly<Record<string, Weight>>,
  nodes: PeerModel["nodes"],
): PeerModel {
  return { inputs: { x: [m, k] }, output: [m, n], weights, nodes };
}

/** One f32 product with a constant weight [k, n]. */
export function matMulModel(size: ProductSize, data: Float32Array<ArrayBuffer>): PeerModel {
  const w: Weight = { dims: [size.k, size.n], type: "f32", data };
  return productModel(size, { w }, [node("MatMul", ["x", "w"], ["y"])]);
}

/** How MatMulNBits holds weights and multiplies rows. */
export interface NBits {
  readonly bits: 2 | 4;
  /** Inputs of a channel that share a scale. */
  readonly block: number;
  /** 4: rows are quantized to int8, where there are kernels for it; 0: products of floats. */
  readonly accuracy: 0 | 4;
}

/**
 * The same product of ternary weights scale · codes[n, k] as ONNX Runtime's MatMulNBits, which takes codes from 0 on and,
 * unasked, 2^(bits − 1) as the zero among them. The size's k is a multiple of the block.
 */
export function nBitsModel(
  size: ProductSize,
  codes: Int8Array,
  scale: number,
  { bits, block, accuracy }: NBits,
): PeerModel {
  const { k, n } = size;
  const perByte = 8 / bits;
  const packed = new Uint8Array((n * k) / perByte);
  for (const [i, t] of codes.entries()) {
    const at = Math.floor(i / perByte);
    packed[at] = (packed[at] ?? 0) | ((t + 2 ** (bits - 1)) << (bits * (i % perByte)));
  }
  const blocks = k / block;
  const w: Weight = { dims: [n, blocks, block / perByte], type: "u8", data: packed };
  const scales: Weight = { dims: [n, blocks], type: "f32", data: new Float32Array(n * blocks).fill(scale) };
  const numbers = { K: k, N: n, bits, block_size: block, accuracy_level: accuracy };
  return productModel(size, { w, scales }, [
    node("MatMulNBits", ["x", "w", "scales"], ["y"], numbers, "com.microsoft"),
  ]);
}
