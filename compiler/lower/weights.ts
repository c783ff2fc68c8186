import type { RoundedFormat } from "../../ir/constant/blocks/encode.js";
import type { Constant } from "../../ir/constant/constant.js";
import { isNarrowFloat } from "../../ir/constant/float8.js";
import type { Encoding } from "../../ir/format/encoding.js";
import type { ValueId } from "../../ir/graph/graph.js";
import { codeRowBytes, type TernaryStorage } from "../../ir/ternary/storage.js";
import { UniqueNames } from "../../ir/unique-names.js";
import { deviceDType } from "./operand.js";

export type StoredDType = "f32" | "f16" | "bf16" | "i32" | "u32" | "u8";

/** A tensor of `weights.safetensors` and the constant it is packed from. */
export interface WeightTensor {
  readonly name: string;
  readonly dtype: StoredDType;
  /** Shape in the file: [n, `codeRowBytes`] bytes for codes. */
  readonly shape: readonly number[];
  readonly encoding: Encoding;
  readonly constant: Constant;
  /** Whether it is the matrix of a linear, whose entries must be finite. */
  readonly weight: boolean;
  /** The graph constant it holds. */
  readonly id: ValueId;
}

/** The tensors a program loads, each constant once per form it is stored in. */
export class WeightTable {
  readonly #byForm = new Map<string, WeightTensor>();
  readonly #names = new UniqueNames(["__metadata__"]);
  readonly #suggested = new Map<ValueId, string>();

  /** @param storage of ternary codes */
  constructor(readonly storage: TernaryStorage) {}

  get all(): readonly WeightTensor[] {
    return [...this.#byForm.values()];
  }

  /** A better name for a constant's tensor than its id, which exporters often make up. */
  suggest(id: ValueId | null, name: string): void {
    if (id !== null && !this.#suggested.has(id)) this.#suggested.set(id, name);
  }

  /** Codes in {-1, 0, 1}, packed. */
  codes(id: ValueId, constant: Constant): WeightTensor {
    const [n = 0, k = 0] = constant.shape;
    return this.#add(id, {
      dtype: "u8",
      shape: [n, codeRowBytes(this.storage, k)],
      encoding: this.storage,
      constant,
      weight: true,
    });
  }

  /** A dense matrix in the float type its source has. */
  dense(id: ValueId, constant: Constant): WeightTensor {
    const dtype = storedFloat(constant);
    return this.#add(id, { dtype, shape: constant.shape, encoding: "plain", constant, weight: true });
  }

  /** A matrix as rows of the blocks that its values are in; undefined where they are in none of this form. */
  blocks(id: ValueId, constant: Constant, format: RoundedFormat): WeightTensor | undefined {
    const rows = blockRows(constant, format);
    if (rows === undefined) return undefined;
    return this.#add(id, {
      dtype: "u8",
      shape: rows.shape,
      encoding: format,
      constant: rows,
      weight: true,
    });
  }

  /** Any other constant in the type that kernels compute in. */
  plain(id: ValueId, constant: Constant): WeightTensor {
    const dtype = deviceDType(constant.dtype);
    return this.#add(id, { dtype, shape: constant.shape, encoding: "plain", constant, weight: false });
  }

  #add(id: ValueId, tensor: Omit<WeightTensor, "name" | "id">): WeightTensor {
    const form = JSON.stringify([id, tensor.dtype, tensor.encoding]);
    const known = this.#byForm.get(form);
    if (known !== undefined) return known;
    const wanted = this.#suggested.get(id) ?? id;
    const name = this.#names.claim(wanted, (i) => `${wanted}.${tensor.dtype}.${i}`);
    const added = { ...tensor, name, id };
    this.#byForm.set(form, added);
    return added;
  }
}

/** The bytes that rows of blocks are, behind changes of layout that keep rows. */
function blockRows(constant: Constant, format: RoundedFormat): Constant | undefined {
  const { source, shape } = constant;
  const [rows = 0] = shape;
  switch (source.kind) {
    case "blocks":
      return source.format === format ? source.of : undefined;
    case "cast":
      return constant.dtype === "f32" ? blockRows(source.of, format) : undefined;
    case "rows": {
      const of = blockRows(source.of, format);
      return of && { ...of, shape: [rows, ...of.shape.slice(1)], source: { ...source, of } };
    }
    case "concat": {
      const of = source.of.map((part) => blockRows(part, format));
      const whole = of.filter((part) => part !== undefined);
      const [first] = whole;
      if (first === undefined || whole.length !== of.length) return undefined;
      return { ...first, shape: [rows, ...first.shape.slice(1)], source: { kind: "concat", of: whole } };
    }
    default:
      return undefined;
  }
}

/** The narrowest float type that holds a constant's values: that of the file behind casts and layout changes. */
export function storedFloat(constant: Constant): "f32" | "f16" | "bf16" {
  if (constant.dtype === "f16" || constant.dtype === "bf16") return constant.dtype;
  if (isNarrowFloat(constant.dtype)) return "f16";
  const { source } = constant;
  switch (source.kind) {
    case "cast":
      return source.of.dtype === "f32" ? "f32" : storedFloat(source.of);
    case "reshape":
    case "transpose":
    case "swap":
    case "rows":
      return storedFloat(source.of);
    case "low-rank":
    case "sum":
    case "renormalize":
    case "rotate":
      // Merged weights are rounded to the type they had, as other tools that merge adapters do.
      return storedFloat(source.of);
    case "concat": {
      const types = new Set(source.of.map(storedFloat));
      const [only = "f32"] = types;
      return types.size === 1 ? only : "f32";
    }
    default:
      return "f32";
  }
}
