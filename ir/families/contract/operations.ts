/** What operations are made in: matrix products by what is multiplied, everything else is f32. */
export type Arithmetic = "int8" | "bf16" | "f32";

/** A multiplication and an addition are two operations; where there are none of a kind, it may be left out. */
export type Operations = Readonly<Partial<Record<Arithmetic, number>>>;

/** What a launch is counted by. */
export interface Counted {
  readonly rows: number;
  readonly scalars: readonly number[];
  /** Elements of its largest result. */
  readonly results: number;
}

/** So many operations for each element of the result; a root or an exponential counts as one. */
export function perResult(count: number): (params: unknown, launch: Counted) => Operations {
  return (_, { results }) => ({ f32: count * results });
}
