import onnxProto from "onnx-proto";

const FLOAT = 1;
const UINT8 = 2;

function port(name: string, shape: readonly number[]) {
  return {
    name,
    type: { tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
  };
}

/** An ONNX model of one f32 product y[m, n] = x[m, k] · w[k, n] with a constant weight, for ONNX Runtime. */
export function matMulModel(m: number, k: number, n: number, w: Float32Array<ArrayBuffer>): Uint8Array {
  return onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "matmul",
      node: [{ opType: "MatMul", input: ["x", "w"], output: ["y"] }],
      initializer: [{ name: "w", dims: [k, n], dataType: FLOAT, rawData: new Uint8Array(w.buffer) }],
      input: [port("x", [m, k])],
      output: [port("y", [m, n])],
    },
  }).finish();
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
 * unasked, 2^(bits − 1) as the zero among them.
 *
 * @param k a multiple of the block
 */
export function nBitsModel(
  {
    m,
    k,
    n,
    codes,
    scale,
  }: Readonly<Record<"m" | "k" | "n" | "scale", number>> & { readonly codes: Int8Array },
  { bits, block, accuracy }: NBits,
): Uint8Array {
  const perByte = 8 / bits;
  const packed = new Uint8Array((n * k) / perByte);
  for (const [i, t] of codes.entries()) {
    const at = Math.floor(i / perByte);
    packed[at] = (packed[at] ?? 0) | ((t + 2 ** (bits - 1)) << (bits * (i % perByte)));
  }
  const blocks = k / block;
  const scales = new Float32Array(n * blocks).fill(scale);
  const attributes = { K: k, N: n, bits, block_size: block, accuracy_level: accuracy };
  return onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [
      { domain: "", version: 17 },
      { domain: "com.microsoft", version: 1 },
    ],
    graph: {
      name: "matmul",
      node: [
        {
          opType: "MatMulNBits",
          domain: "com.microsoft",
          input: ["x", "w", "scales"],
          output: ["y"],
          attribute: Object.entries(attributes).map(([name, i]) => ({ name, i, type: 2 })),
        },
      ],
      initializer: [
        { name: "w", dims: [n, blocks, block / perByte], dataType: UINT8, rawData: packed },
        { name: "scales", dims: [n, blocks], dataType: FLOAT, rawData: new Uint8Array(scales.buffer) },
      ],
      input: [port("x", [m, k])],
      output: [port("y", [m, n])],
    },
  }).finish();
}
