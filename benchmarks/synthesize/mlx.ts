import type { FileHandle } from "node:fs/promises";
import { byteLength } from "../../ir/dtype.js";
import { encodeHeader, type TensorSpec } from "../../ir/format/safetensors.js";
import { countOf } from "../../ir/tensor.js";
import { type RandomTensor, syntheticRows } from "./weights.js";

/** Bits of a code, which is t + 1: scale·code - scale is the weight. */
const BITS = 2;

/** Writes the weights that `writeSyntheticWeights` writes, ternary ones as MLX quantizes them. */
export async function writeMlxWeights(
  file: FileHandle,
  tensors: readonly RandomTensor[],
  seed: number,
  onProgress: (bytes: number) => void,
): Promise<void> {
  const specs = tensors.flatMap(specsOf);
  const header = encodeHeader(specs);
  await file.write(header, 0, header.length, 0);
  let end = header.length;
  const places = new Map(
    specs.map((spec) => {
      const offset = end;
      end += byteLength(spec.dtype, countOf(spec.shape));
      return [spec.name, offset] as const;
    }),
  );
  const written = new Map<string, number>();
  for (const { tensor, bytes } of syntheticRows(tensors, seed)) {
    for (const [name, part] of partsOf(tensor, bytes)) {
      const before = written.get(name) ?? 0;
      await file.write(part, 0, part.length, (places.get(name) ?? 0) + before);
      written.set(name, before + part.length);
    }
    onProgress(bytes.length);
  }
}

const moduleOf = (name: string) => name.replace(/\.weight$/, "");

function specsOf({ name, dtype, shape, group }: RandomTensor): readonly TensorSpec[] {
  if (group === null) return [{ name, dtype, shape }];
  const [rows = 0, width = 0] = shape;
  const factors = { dtype, shape: [rows, width / group] };
  return [
    { name, dtype: "u32", shape: [rows, (width * BITS) / 32] },
    { name: `${moduleOf(name)}.scales`, ...factors },
    { name: `${moduleOf(name)}.biases`, ...factors },
  ];
}

/** The bytes of whole rows as tensors of the file have them. */
function partsOf({ name, group }: RandomTensor, bytes: Buffer): readonly (readonly [string, Uint8Array])[] {
  if (group === null) return [[name, bytes]];
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const codes = new Uint8Array((words.length * BITS) / 8);
  const scales = new Uint16Array(words.length / group);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fff;
    const code = magnitude === 0 ? 1 : word === magnitude ? 2 : 0;
    codes[i >> 2]! |= code << (BITS * (i & 3));
    if (magnitude !== 0) scales[Math.floor(i / group)] = magnitude;
  }
  const bytesOf = ({ buffer }: Uint16Array) => new Uint8Array(buffer);
  return [
    [name, codes],
    [`${moduleOf(name)}.scales`, bytesOf(scales)],
    [`${moduleOf(name)}.biases`, bytesOf(scales.map((scale) => scale | 0x8000))],
  ];
}
