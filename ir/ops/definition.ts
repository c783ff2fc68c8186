import type { Dim } from "../dim.js";
import { DTYPES, type DType } from "../dtype.js";
import type { Graph, ValueType } from "../graph/graph.js";
import type { Operands } from "./operands.js";
import type { Traits } from "./traits.js";

/**
 * What an attribute may hold. `axis` counts the axes of operand 0, from the end where it is negative, which it may be
 * until `canonicalize` has run.
 */
export type AttrForm =
  | "number"
  | "axis"
  | "bool"
  | "string"
  | "dtype"
  | "dim"
  | "numbers"
  | "bools"
  | "graph"
  | { readonly oneOf: readonly string[] }
  | { readonly orNull: AttrForm }
  /** May be absent, which is what it was before there was such an attribute. */
  | { readonly optional: AttrForm };

export type AttrForms = Readonly<Record<string, AttrForm>>;

interface AttrValues {
  readonly number: number;
  readonly axis: number;
  readonly bool: boolean;
  readonly string: string;
  readonly dtype: DType;
  readonly dim: Dim;
  readonly numbers: readonly number[];
  readonly bools: readonly boolean[];
  readonly graph: Graph;
}

type AttrValue<F> = F extends keyof AttrValues
  ? AttrValues[F]
  : F extends { readonly oneOf: readonly (infer Word)[] }
    ? Word
    : F extends { readonly orNull: infer G }
      ? AttrValue<G> | null
      : F extends { readonly optional: infer G }
        ? AttrValue<G>
        : never;

/** Names of the attributes that may be absent. */
type OptionalOf<F> = {
  [K in keyof F]-?: F[K] extends { readonly optional: AttrForm } ? K : never;
}[keyof F];

type Given<F> = { readonly [K in keyof F]: AttrValue<F[K]> };

/** The attributes of a form. */
export type AttrsOf<F> = [OptionalOf<F>] extends [never]
  ? Given<F>
  : Given<Omit<F, OptionalOf<F>>> & Partial<Given<Pick<F, OptionalOf<F>>>>;

/** Fewest and most operands or results. */
export type Count = readonly [number, number];
export const MANY = Number.POSITIVE_INFINITY;

/** What there is to know of an operation besides its meaning, which is in `ir/interpret/`. */
export interface Definition<F extends AttrForms, A = AttrsOf<F>> {
  readonly operands: Count;
  readonly results: Count;
  readonly attrs: F;
  /** Types of the results from those of the operands. A shape is null where it depends on data. */
  infer(operands: Operands, attrs: A): readonly ValueType[];
  readonly traits: Traits<A>;
}

/** A definition as it is written: a count may be one number, and there is one result unless it says otherwise. */
interface Written<F extends AttrForms> {
  readonly operands: Count | number;
  readonly results?: Count | number;
  readonly attrs: F;
  readonly infer: (operands: Operands, attrs: NoInfer<AttrsOf<F>>) => readonly ValueType[];
  readonly traits: Traits<NoInfer<AttrsOf<F>>>;
}

export function op<const F extends AttrForms>(written: Written<F>): Definition<F> {
  const count = (n: Count | number): Count => (typeof n === "number" ? [n, n] : n);
  return { ...written, operands: count(written.operands), results: count(written.results ?? 1) };
}

export function oneOf<const W extends readonly string[]>(...words: W): { readonly oneOf: W } {
  return { oneOf: words };
}

export function orNull<const F extends AttrForm>(form: F): { readonly orNull: F } {
  return { orNull: form };
}

export function optional<const F extends AttrForm>(form: F): { readonly optional: F } {
  return { optional: form };
}

/** What is wrong with an attribute value, or undefined; the value of an absent attribute is undefined. */
export function attrProblem(form: AttrForm, value: unknown): string | undefined {
  if (typeof form === "object") {
    if ("optional" in form) return value === undefined ? undefined : attrProblem(form.optional, value);
    if ("orNull" in form) return value === null ? undefined : attrProblem(form.orNull, value);
    return typeof value === "string" && form.oneOf.includes(value)
      ? undefined
      : `one of ${form.oneOf.join(", ")}`;
  }
  const ok = {
    number: typeof value === "number",
    axis: typeof value === "number",
    bool: typeof value === "boolean",
    string: typeof value === "string",
    dtype: DTYPES.some((d) => d === value),
    dim: typeof value === "number" || typeof value === "string",
    numbers: Array.isArray(value) && value.every((v) => typeof v === "number"),
    bools: Array.isArray(value) && value.every((v) => typeof v === "boolean"),
    graph: typeof value === "object" && value !== null && "nodes" in value,
  }[form];
  return ok ? undefined : `a ${form === "axis" ? "number" : form}`;
}
