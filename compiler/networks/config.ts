import { join } from "node:path";
import { JsonNumber, type JsonValue } from "../../ir/format/strict-json.js";
import { checkpointError } from "../checkpoint/errors.js";
import { readJsonObject } from "../checkpoint/json-file.js";
import { networkError } from "./errors.js";

export const CONFIG = "config.json";

/** Sizes beyond this are damage, and would make a graph that takes forever to build. */
const MOST = 1 << 24;

/** The settings of a network's `config.json`. A setting that a file leaves out has its library's default. */
export class NetworkConfig {
  readonly #values: ReadonlyMap<string, JsonValue>;

  /** Throws TRITC_E_CHECKPOINT, and the file system's own errors. */
  static read(folder: string): NetworkConfig {
    const file = join(folder, CONFIG);
    return new NetworkConfig(file, readJsonObject(file));
  }

  constructor(
    readonly file: string,
    values: ReadonlyMap<string, JsonValue>,
  ) {
    this.#values = values;
  }

  has(key: string): boolean {
    return this.#values.get(key) !== undefined && this.#values.get(key) !== null;
  }

  value(key: string): JsonValue | undefined {
    return this.#values.get(key);
  }

  /** A whole number above 0, at most `most`. Throws TRITC_E_CHECKPOINT. */
  count(key: string, usual: number, most = MOST): number {
    if (!this.has(key)) return usual;
    const value = this.#values.get(key);
    const count = value instanceof JsonNumber ? value.toIndex() : undefined;
    if (count === undefined || count < 1 || count > most) {
      throw this.refuse(key, `a whole number from 1 to ${most}`);
    }
    return count;
  }

  /** A number above 0. Throws TRITC_E_CHECKPOINT. */
  positive(key: string, usual: number): number {
    if (!this.has(key)) return usual;
    const value = this.#values.get(key);
    const number = value instanceof JsonNumber ? Number(value.text) : Number.NaN;
    if (number > 0 && number < Number.POSITIVE_INFINITY) return number;
    throw this.refuse(key, "a number above 0");
  }

  flag(key: string, usual: boolean): boolean {
    if (!this.has(key)) return usual;
    const value = this.#values.get(key);
    if (typeof value === "boolean") return value;
    throw this.refuse(key, "true or false");
  }

  text(key: string): string | undefined {
    const value = this.#values.get(key);
    return typeof value === "string" ? value : undefined;
  }

  /** One of some words. Throws TRITC_E_NETWORK for others, which are names of what is not built. */
  word<const W extends string>(key: string, usual: W, words: readonly W[]): W {
    if (!this.has(key)) return usual;
    const found = words.find((word) => word === this.#values.get(key));
    if (found !== undefined) return found;
    throw this.unbuilt(key, words.join(" or "));
  }

  /** TRITC_E_CHECKPOINT for a value that cannot be. */
  refuse(key: string, expected: string) {
    return checkpointError({
      place: `${this.file}: ${key}`,
      message: "the setting has a value that the network cannot have",
      expected,
      found: describe(this.#values.get(key)),
      remedy: "download the configuration again",
    });
  }

  /** TRITC_E_NETWORK for a value that means what is not built. */
  unbuilt(key: string, expected: string) {
    return networkError({
      place: `${this.file}: ${key}`,
      message: "the network is of a kind that tritc does not compile",
      expected,
      found: describe(this.#values.get(key)),
    });
  }
}

export function describe(value: JsonValue | undefined): string {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(describe).join(", ")}]`;
  return value instanceof Map ? "an object" : value === undefined ? "nothing" : String(value);
}
