import type { ParamRecord, ParamValue } from "../../program/program.js";

/** One parameter of a family's kernels: how a record's value of it is read and written. */
export interface Param<T> {
  /** For messages. */
  readonly expected: string;
  /** Undefined where the value is no T. */
  read(value: ParamValue): T | undefined;
  /** A value that is not written as it is. */
  write?(value: T): ParamValue;
}

/** A parameter that records may leave out, which then is `absent`. */
export interface OptionalParam<T, Absent extends null | undefined> extends Param<T> {
  readonly absent: Absent;
}

/** Parameters by name. */
export type Params = Readonly<Record<string, Param<unknown>>>;

type ValueOf<P> = P extends OptionalParam<infer T, null> ? T | null : P extends Param<infer T> ? T : never;
type Skippable<S> = { [N in keyof S]: S[N] extends { readonly absent: undefined } ? N : never }[keyof S];
type Flat<T> = { readonly [N in keyof T]: T[N] };

/** The values of parameters, as TypeScript sees them. */
export type ValuesOf<S extends Params> = Flat<
  { [N in Exclude<keyof S, Skippable<S>>]: ValueOf<S[N]> } & { [N in Skippable<S>]?: ValueOf<S[N]> }
>;

/**
 * The values of all parameters in a record, which has no others. `wrong` hears of each parameter that is not what it
 * must be, and the result is of no use then.
 */
export function readParams<S extends Params>(
  params: S,
  record: ParamRecord,
  wrong: (name: string, expected: string) => void,
): ValuesOf<S> {
  const values: Record<string, unknown> = {};
  for (const [name, param] of Object.entries(params)) {
    if (!Object.hasOwn(record, name) && "absent" in param) {
      if (param.absent === null) values[name] = null;
      continue;
    }
    const value = Object.hasOwn(record, name) ? param.read(record[name] as ParamValue) : undefined;
    if (value === undefined) wrong(name, param.expected);
    values[name] = value;
  }
  for (const name of Object.keys(record)) {
    if (!Object.hasOwn(params, name)) wrong(name, `only ${Object.keys(params).join(", ") || "none"}`);
  }
  return values as ValuesOf<S>;
}

/** A whole number, not negative. */
export const size = between(0, Number.MAX_SAFE_INTEGER, "a size");

/** The record that `readParams` reads these values from; what is absent is left out. */
export function writeParams<S extends Params>(params: S, values: ValuesOf<S>): ParamRecord {
  const record: Record<string, ParamValue> = {};
  for (const [name, value] of Object.entries<unknown>(values)) {
    if (value == null) continue;
    record[name] = params[name]?.write?.(value) ?? (value as ParamValue);
  }
  return record;
}

/** A whole number in [least, most]. */
export function between(least: number, most: number, expected = `from ${least} to ${most}`): Param<number> {
  return {
    expected,
    read(value) {
      const whole = typeof value === "number" && Number.isSafeInteger(value);
      return whole && value >= least && value <= most ? value : undefined;
    },
  };
}

export const real: Param<number> = {
  expected: "a number",
  read: (value) => (typeof value === "number" && Number.isFinite(value) ? value : undefined),
};

export const flag: Param<boolean> = {
  expected: "true or false",
  read: (value) => (typeof value === "boolean" ? value : undefined),
};

/** One of these words. */
export function word<const T extends string>(...words: readonly T[]): Param<T> {
  return { expected: words.join(" or "), read: (value) => words.find((w) => w === value) };
}

/** One of these numbers. */
export function among<const T extends number>(...numbers: readonly T[]): Param<T> {
  return { expected: numbers.join(" or "), read: (value) => numbers.find((n) => n === value) };
}

export function listOf<T>(item: Param<T>): Param<readonly T[]> {
  return {
    expected: `a list, each ${item.expected}`,
    read(value) {
      if (!Array.isArray(value)) return undefined;
      const items = (value as readonly ParamValue[]).map((entry) => item.read(entry));
      return items.includes(undefined) ? undefined : (items as readonly T[]);
    },
  };
}

/** An object of these parameters. */
export function group<S extends Params>(params: S): Param<ValuesOf<S>> {
  return {
    expected: `an object with ${Object.keys(params).join(", ")}`,
    read(value) {
      if (typeof value !== "object" || Array.isArray(value)) return undefined;
      let fits = true;
      const values = readParams(params, value as ParamRecord, () => {
        fits = false;
      });
      return fits ? values : undefined;
    },
  };
}

export function optional<T>(param: Param<T>): OptionalParam<T, undefined> {
  return { ...param, absent: undefined };
}

/** Null where records leave it out. */
export function nullable<T>(param: Param<T>): OptionalParam<T, null> {
  return { ...param, absent: null };
}

/** What rows of activations are stored in where a kernel leaves the choice; arithmetic is in f32. */
export const floats = word("f32", "bf16");
export type FloatStorage = "f32" | "bf16";
