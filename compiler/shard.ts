/** A share of some work, so that several machines do it all. */
export interface Shard {
  /** From 1 to `count`. */
  readonly index: number;
  readonly count: number;
}
