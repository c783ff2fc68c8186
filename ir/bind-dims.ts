import { type Bindings, type Dim, evaluateDim, termsOf } from "./dim.js";

/** A dimension and the size that a tensor has there. */
export interface Sized {
  readonly dim: Dim;
  readonly size: number;
}

/**
 * Adds the symbols that sizes give to `bindings`: a symbol by itself first, then one that is left in a dimension such
 * as 6·n or 31 − n. What gives no whole number is left alone; comparing the dimensions tells.
 */
export function bindDims(sizes: readonly Sized[], bindings: Record<string, number>): void {
  const alone = (dim: Dim) => typeof dim === "string" && termsOf(dim)[0]?.names[0] === dim;
  let open = [...sizes.filter(({ dim }) => alone(dim)), ...sizes.filter(({ dim }) => !alone(dim))];
  for (let progress = true; progress; ) {
    const next = open.filter(({ dim, size }) => !bindOne(dim, size, bindings));
    progress = next.length < open.length;
    open = next;
  }
}

/** Whether nothing about the dimension is open any more. */
function bindOne(dim: Dim, size: number, bindings: Record<string, number>): boolean {
  const unknown = new Set(
    termsOf(dim).flatMap(({ names }) => names.filter((n) => !Object.hasOwn(bindings, n))),
  );
  const [name] = unknown;
  if (name === undefined) return true;
  const where = termsOf(dim).filter(({ names }) => names.includes(name));
  const [term] = where;
  if (unknown.size > 1 || where.length > 1 || term?.names.filter((n) => n === name).length !== 1)
    return false;
  const at = (value: number): Bindings => ({ ...bindings, [name]: value });
  const [rest, one] = [evaluateDim(dim, at(0)), evaluateDim(dim, at(1))];
  const value = (size - rest) / (one - rest);
  if (!Number.isSafeInteger(value)) return false;
  bindings[name] = value;
  return true;
}
