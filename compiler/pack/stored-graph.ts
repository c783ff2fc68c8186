import type { RoundedFormat } from "../../ir/constant/blocks/encode.js";
import { BLOCK_LAYOUTS } from "../../ir/constant/blocks/index.js";
import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { convertData, encodeBytes } from "../../ir/constant/convert.js";
import { readConstant } from "../../ir/constant/read.js";
import { byteLength } from "../../ir/dtype.js";
import { WEIGHTS_FILE } from "../../ir/format/manifest.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { countOf } from "../../ir/tensor.js";
import type { PackedLayout, PackedTensor } from "./weights-file.js";

/**
 * The graph that a bundle's kernels compute, with constants that are read from the bundle's own weight file:
 * what the interpreter runs to check the kernels.
 */
export function storedGraph(graph: Graph, layout: PackedLayout, reader: ByteReader): Graph {
  const stored = new Map<ValueId, PackedTensor>();
  for (const packed of layout.tensors) {
    const { id } = packed.tensor;
    // Codes or the narrow float form rather than a second copy made for another op.
    if (!stored.has(id) || packed.tensor.name === id) stored.set(id, packed);
  }
  const constants = new Map<ValueId, Constant>();
  for (const [id, constant] of graph.constants) {
    const packed = stored.get(id);
    constants.set(id, packed === undefined ? inMemory(constant, reader) : inFile(constant, packed));
  }
  return { ...graph, constants };
}

function inFile(constant: Constant, { tensor, offset, bytes }: PackedTensor): Constant {
  const file: Constant = {
    dtype: tensor.dtype,
    shape: tensor.shape,
    source: { kind: "file", file: WEIGHTS_FILE, offset, length: bytes },
  };
  const { dtype, shape } = constant;
  if (tensor.encoding === "trits") return { dtype, shape, source: { kind: "trits", of: file } };
  if (tensor.encoding === "2bit") return { dtype, shape, source: { kind: "two-bit", of: file } };
  if (tensor.encoding !== "plain") return inBlocks(constant, file, tensor.encoding);
  return tensor.dtype === dtype ? file : { dtype, shape, source: { kind: "cast", of: file } };
}

/** Rows of blocks as what they are values of. */
function inBlocks({ dtype, shape }: Constant, of: Constant, format: RoundedFormat): Constant {
  const { dtype: decoded } = BLOCK_LAYOUTS[format];
  const blocks: Constant = { dtype: decoded, shape, source: { kind: "blocks", of, format } };
  return dtype === decoded ? blocks : { dtype, shape, source: { kind: "cast", of: blocks } };
}

/** Constants that no tensor holds: shapes, axes, and scalars that are part of a kernel. */
function inMemory(constant: Constant, reader: ByteReader): Constant {
  const { dtype, shape, source } = constant;
  if (source.kind === "inline" || source.kind === "dims" || source.kind === "fill") return constant;
  const { data } = readConstant(constant, reader);
  const stored = encodeBytes(dtype, convertData(data, dtype, dtype));
  return {
    dtype,
    shape,
    source: { kind: "inline", bytes: stored.slice(0, byteLength(dtype, countOf(shape))) },
  };
}
