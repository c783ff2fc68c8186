import { canonicalDim, type Dim } from "../dim.js";
import { type ErrorDetails, TritcError } from "../errors.js";
import { JsonNumber, type JsonValue, parseStrictJson } from "./strict-json.js";

/** Reads one JSON value as a T, or throws naming where it is, what was expected and what is there. */
export type Decoder<T> = (value: JsonValue, at: string) => T;

/** Parses JSON text and decodes it. `file` is for messages; `remedy` says what to do about a wrong one, `code` names the error. */
export function decodeJson<T>(
  text: string,
  decoder: Decoder<T>,
  file: string,
  remedy: string,
  code: ErrorDetails["code"] = "TRITC_E_BUNDLE_FORMAT",
): T {
  try {
    return decoder(parseStrictJson(text), "");
  } catch (error) {
    if (error instanceof Mismatch) {
      throw new TritcError({
        code,
        message: `${error.at === "" ? "the document" : error.at} is not what it must be`,
        place: file,
        expected: error.expected,
        found: error.found,
        remedy,
      });
    }
    if (!(error instanceof SyntaxError)) throw error;
    throw new TritcError({
      code,
      message: `not valid JSON: ${error.message}`,
      place: file,
      remedy,
      cause: error,
    });
  }
}

class Mismatch extends Error {
  constructor(
    readonly at: string,
    readonly expected: string,
    readonly found: string,
  ) {
    super(`${at}: expected ${expected}, found ${found}`);
  }
}

function describe(value: JsonValue): string {
  if (value === null) return "null";
  if (value instanceof JsonNumber) return value.text;
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "boolean") return String(value);
  return Array.isArray(value) ? "a list" : "an object";
}

function mismatch(at: string, expected: string, value: JsonValue): Mismatch {
  return new Mismatch(at, expected, describe(value));
}

export const string: Decoder<string> = (value, at) => {
  if (typeof value === "string") return value;
  throw mismatch(at, "text", value);
};

export const nothing: Decoder<null> = (value, at) => {
  if (value === null) return value;
  throw mismatch(at, "null", value);
};

export const boolean: Decoder<boolean> = (value, at) => {
  if (typeof value === "boolean") return value;
  throw mismatch(at, "true or false", value);
};

export const number: Decoder<number> = (value, at) => {
  if (value instanceof JsonNumber && Number.isFinite(Number(value.text))) return Number(value.text);
  throw mismatch(at, "a number", value);
};

/** A number that is not below zero, such as a time. */
export const amount: Decoder<number> = (value, at) => {
  const n = number(value, at);
  if (n >= 0) return n;
  throw mismatch(at, "a number, not negative", value);
};

/** A number above zero, such as a time that others are divided by. */
export const positive: Decoder<number> = (value, at) => {
  const n = number(value, at);
  if (n > 0) return n;
  throw mismatch(at, "a number above 0", value);
};

/** A whole number in [0, 2^53). */
export const index: Decoder<number> = (value, at) => {
  const n = value instanceof JsonNumber ? value.toIndex() : undefined;
  if (n === undefined) throw mismatch(at, "a whole number, not negative", value);
  return n;
};

/** A whole number or a polynomial over symbols in canonical text. */
export const dim: Decoder<Dim> = (value, at) => {
  if (typeof value !== "string") return index(value, at);
  try {
    if (canonicalDim(value) === value) return value;
  } catch {
    // Reported below: the text is no dimension at all.
  }
  throw mismatch(at, "a dimension", value);
};

/** One of these texts. */
export function oneOf<const T extends string>(...values: readonly T[]): Decoder<T> {
  return (value, at) => {
    const found = values.find((v) => v === value);
    if (found === undefined) throw mismatch(at, values.join(" or "), value);
    return found;
  };
}

/** null, or what the decoder reads. */
export function nullable<T>(decoder: Decoder<T>): Decoder<T | null> {
  return (value, at) => (value === null ? null : decoder(value, at));
}

/** A list of what the decoder reads. */
export function list<T>(decoder: Decoder<T>): Decoder<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw mismatch(at, "a list", value);
    return (value as readonly JsonValue[]).map((item, i) => decoder(item, `${at}[${i}]`));
  };
}

/** A list of two. */
export function pair<T>(decoder: Decoder<T>): Decoder<readonly [T, T]> {
  return (value, at) => {
    const [a, b, ...rest] = list(decoder)(value, at);
    if (a === undefined || b === undefined || rest.length > 0) throw mismatch(at, "two entries", value);
    return [a, b];
  };
}

/** A list of three. */
export function triple<T>(decoder: Decoder<T>): Decoder<readonly [T, T, T]> {
  return (value, at) => {
    const [a, b, c, ...rest] = list(decoder)(value, at);
    if (a === undefined || b === undefined || c === undefined || rest.length > 0) {
      throw mismatch(at, "three entries", value);
    }
    return [a, b, c];
  };
}

const optionals = new WeakSet<Decoder<never>>();

/** A member that an object may lack. */
export function optional<T>(decoder: Decoder<T>): Decoder<T | undefined> {
  const own: Decoder<T | undefined> = (value, at) => decoder(value, at);
  optionals.add(own as Decoder<never>);
  return own;
}

/** An object with these members and no others. */
export function object<T>(members: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<T> {
  const names = Object.keys(members) as (keyof T & string)[];
  return (value, at) => {
    const map = asMap(value, at);
    for (const key of map.keys()) {
      if (!names.some((name) => name === key)) throw new Mismatch(at, `only ${names.join(", ")}`, key);
    }
    const out: Partial<T> = {};
    for (const name of names) {
      const member = map.get(name);
      const inner = below(at, name);
      if (member === undefined && optionals.has(members[name] as Decoder<never>)) continue;
      if (member === undefined) throw new Mismatch(inner, "a value", "nothing");
      out[name] = members[name](member, inner);
    }
    return out as T;
  };
}

/** An object with any names. Names that JavaScript objects treat specially are refused. */
export function record<T>(decoder: Decoder<T>): Decoder<Readonly<Record<string, T>>> {
  return (value, at) => {
    const out: Record<string, T> = {};
    for (const [key, member] of asMap(value, at)) {
      if (key === "__proto__") throw new Mismatch(at, "another name", key);
      out[key] = decoder(member, below(at, key));
    }
    return out;
  };
}

/** Where a member of an object is; the document itself is at no place. */
function below(at: string, name: string): string {
  return at === "" ? name : `${at}.${name}`;
}

function asMap(value: JsonValue, at: string): ReadonlyMap<string, JsonValue> {
  if (value instanceof Map) return value;
  throw mismatch(at, "an object", value);
}

/** The first decoder that accepts. */
export function either<A, B>(first: Decoder<A>, second: Decoder<B>): Decoder<A | B> {
  return (value, at) => {
    try {
      return first(value, at);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      return second(value, at);
    }
  };
}

/** Picks the decoder of an object by one of its members, as in a discriminated union. */
export function tagged<T>(tag: string, decoders: Readonly<Record<string, Decoder<T>>>): Decoder<T> {
  return (value, at) => {
    const kind = asMap(value, at).get(tag);
    const decoder = typeof kind === "string" && Object.hasOwn(decoders, kind) ? decoders[kind] : undefined;
    if (decoder === undefined) {
      throw mismatch(below(at, tag), Object.keys(decoders).join(" or "), kind ?? null);
    }
    return decoder(value, at);
  };
}
