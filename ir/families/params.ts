import { programError } from "../program/error.js";
import type { Kernel, ParamValue } from "../program/program.js";

/** Parameters of a kernel as its record holds them, read by a name that must be there. Throws TRITC_E_PROGRAM. */
export class Params {
  constructor(private readonly kernel: Pick<Kernel, "id" | "params">) {}

  has(name: string): boolean {
    return this.#value(name) !== undefined;
  }

  size(name: string): number {
    const value = this.#value(name);
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.#fail(name, "a size");
  }

  text(name: string): string {
    const value = this.#value(name);
    return typeof value === "string" ? value : this.#fail(name, "a word");
  }

  /** Whether a parameter that may be absent says true. */
  flag(name: string): boolean {
    const value = this.#value(name) ?? false;
    return typeof value === "boolean" ? value : this.#fail(name, "true or false");
  }

  /** One of these words; the first one if it is absent. */
  word<const T extends string>(name: string, ...words: readonly [T, ...(readonly T[])]): T {
    const text = this.has(name) ? this.text(name) : words[0];
    return words.find((word) => word === text) ?? this.#fail(name, words.join(" or "));
  }

  sizes(name: string): readonly number[] {
    const value = this.#value(name);
    return Array.isArray(value) && value.every(Number.isSafeInteger)
      ? (value as readonly number[])
      : this.#fail(name, "a list of sizes");
  }

  #value(name: string): ParamValue | undefined {
    return Object.hasOwn(this.kernel.params, name) ? this.kernel.params[name] : undefined;
  }

  #fail(name: string, expected: string): never {
    throw programError(`kernel ${this.kernel.id}`, `the parameter ${name} is not what its family needs`, {
      expected,
      found: String(this.#value(name)),
    });
  }
}
