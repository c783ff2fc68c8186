import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { halfType } from "../../ir/constant/words.js";
import { byteLength, type DType } from "../../ir/dtype.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { countOf } from "../../ir/tensor.js";
import type { WeightForm, WeightType } from "./format.js";
import { constantChunks, TernaryBytes, type TernaryWeight, weightGroup } from "./tensor-bytes.js";
import type { Name, OnnxWriter } from "./writer.js";

/** Constants of this many bytes and more lie in the data file, at offsets that systems can map into memory. */
export const EXTERNAL_BYTES = 4096;

export interface WeightOptions {
  readonly form: WeightForm;
  /** Of dequantized weights. */
  readonly type: WeightType;
}

/** Writes constants as initializers, each when it is first asked for. */
export class WeightWriter {
  readonly #ternary: TernaryBytes;
  readonly #matrices = new Map<string, Name>();

  constructor(
    readonly writer: OnnxWriter,
    readonly graph: Graph,
    readonly options: WeightOptions,
    readonly reader: ByteReader,
  ) {
    this.#ternary = new TernaryBytes(reader);
  }

  /** A constant in its own type. What the source stores in 16 bits stays so, with a Cast behind it. */
  constant(id: ValueId, constant: Constant): Name {
    const { dtype, shape } = constant;
    const stored = storedType(constant);
    const name = this.writer.initializer(id, {
      dtype: stored,
      dims: shape,
      chunks: () => constantChunks(constant, stored, this.reader),
    });
    return this.writer.cast(name, stored, dtype);
  }

  /** A ternary weight as a float matrix f32 [out, in]: dequantized by the file, or by a node. */
  ternary(codesId: ValueId, scalesId: ValueId): Name {
    const key = JSON.stringify([codesId, scalesId]);
    const known = this.#matrices.get(key);
    if (known !== undefined) return known;
    const matrix = this.#matrix(codesId, scalesId);
    this.#matrices.set(key, matrix);
    return matrix;
  }

  #matrix(codesId: ValueId, scalesId: ValueId): Name {
    const [codes, scales] = [this.#constantOf(codesId), this.#constantOf(scalesId)];
    const weight: TernaryWeight = { name: codesId, codes, scales };
    const { form, type } = this.options;
    const base = codesId.replace(/\.codes$/, "");
    if (form === "dequantized") {
      const name = this.writer.initializer(base, {
        dtype: type,
        dims: codes.shape,
        chunks: () => this.#ternary.dequantized(weight, type),
      });
      return this.writer.cast(name, type, "f32");
    }
    const code = this.writer.initializer(`${base}.codes`, {
      dtype: form === "2bit" ? "i2" : "i4",
      dims: codes.shape,
      chunks: () => this.#ternary.codes(weight, form),
    });
    // The codes' initializer comes first, so that the scales are known when it is their turn.
    const scale = this.writer.initializer(`${base}.scales`, {
      dtype: "f32",
      dims: scales.shape,
      chunks: () => this.#ternary.scales(weight),
    });
    const group = weightGroup(weight);
    const blocks = group === null ? { axis: { int: 0 } } : { axis: { int: 1 }, block_size: { int: group } };
    return this.writer.op("DequantizeLinear", [code, scale], blocks);
  }

  #constantOf(id: ValueId): Constant {
    const constant = this.graph.constants.get(id);
    if (constant === undefined) throw new Error(`the ternary weight ${id} is not a constant`);
    return constant;
  }
}

/** The type a constant is written in: where its values are 16-bit floats and it is large, that. */
function storedType(constant: Constant): DType {
  const words = halfType(constant);
  const large = byteLength(constant.dtype, countOf(constant.shape)) >= EXTERNAL_BYTES;
  return words !== undefined && large && constant.dtype === "f32" ? words : constant.dtype;
}
