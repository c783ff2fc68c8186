import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import type { TritcError } from "../../ir/errors.js";
import { loraError } from "./errors.js";
import { type AdapterModule, type AdapterTensor, finiteValues } from "./read.js";
import type { Slot } from "./tensor-name.js";

/** The tensors of one module, of which none may stay unused. Its methods throw TRITC_E_LORA. */
export class Slots {
  readonly #module: AdapterModule;
  readonly #file: string;
  readonly #reader: ByteReader;
  readonly #used = new Set<Slot>();

  constructor(module: AdapterModule, file: string, reader: ByteReader) {
    this.#module = module;
    this.#file = file;
    this.#reader = reader;
  }

  has(slot: Slot): boolean {
    return this.#module.slots.has(slot);
  }

  /** Tensors that no form has used, doubles included. */
  get unused(): readonly AdapterTensor[] {
    const rest = [...this.#module.slots].filter(([slot]) => !this.#used.has(slot));
    return [...rest.map(([, tensor]) => tensor), ...this.#module.doubles];
  }

  /** A tensor's place, for messages. */
  place(slot: Slot): string {
    return `${this.#file}: ${this.#module.slots.get(slot)?.name ?? this.#module.base}`;
  }

  tensor(slot: Slot): AdapterTensor | undefined {
    this.#used.add(slot);
    return this.#module.slots.get(slot);
  }

  /** One that the form cannot do without. */
  needed(slot: Slot, expected: string): AdapterTensor {
    const tensor = this.tensor(slot);
    if (tensor !== undefined) return tensor;
    const [present] = this.#module.slots.values();
    throw loraError({
      place: `${this.#file}: ${present?.name ?? this.#module.base}`,
      message: "a part of the update is missing",
      expected,
      found: [...this.#module.slots.values()].map(({ name }) => name).join(", "),
      remedy: "download the adapter again",
    });
  }

  /** Finite values of a shape; -1 stands for any extent. */
  values(tensor: AdapterTensor, shape: readonly number[]): Constant {
    const fits =
      tensor.shape.length === shape.length && shape.every((d, i) => d === -1 || d === tensor.shape[i]);
    // Integers are alphas and flags, no weights.
    if (!tensor.float) throw this.misshapen(tensor, "floating-point numbers");
    if (!fits) throw this.misshapen(tensor, `[${shape.map((d) => (d === -1 ? "…" : d)).join(", ")}]`);
    this.numbers(tensor);
    return tensor.values as Constant;
  }

  numbers(tensor: AdapterTensor): Float32Array {
    return finiteValues(tensor, this.#file, this.#reader);
  }

  /** The one number of a tensor, if it is there. */
  number(slot: Slot): number | undefined {
    const tensor = this.tensor(slot);
    if (tensor === undefined) return undefined;
    const data = this.numbers(tensor);
    if (data.length === 1) return Number(data[0]);
    throw this.misshapen(tensor, "one number");
  }

  misshapen({ name, dtype, shape }: AdapterTensor, expected: string): TritcError {
    return loraError({
      place: `${this.#file}: ${name}`,
      message: "the tensor does not fit the module that it is for",
      expected,
      found: `${dtype} [${shape.join(", ")}]`,
    });
  }
}
