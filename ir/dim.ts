import { TritcError } from "./errors.js";

/**
 * Symbolic dimensions: a `Dim` is a whole number, or the canonical text of a polynomial with integer
 * coefficients over named symbols (`txt_tokens+img_tokens`, `24*img_tokens`).
 *
 * Canonical text makes equality a string comparison and lets shapes print and parse as they are.
 * Symbols stand for positive sizes.
 */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** monomial (sorted symbol names joined by `*`; `""` is the constant term) → coefficient */
type Polynomial = Map<string, number>;

/** Dimensions that were parsed: a graph has few, and asks again and again. */
const parsed = new Map<string, ReadonlyMap<string, number>>();
const MOST_PARSED = 1024;
const LONGEST_PARSED = 256;

const SYMBOL = /^[A-Za-z_][A-Za-z0-9_.]*$/;

/** A symbol as a Dim. Characters a symbol may not hold become `_`. */
export function symbol(name: string): Dim {
  const clean = name.replace(/[^A-Za-z0-9_.]/g, "_");
  return SYMBOL.test(clean) ? clean : `_${clean}`;
}

function parse(dim: Dim): ReadonlyMap<string, number> {
  if (typeof dim === "number") return new Map(dim === 0 ? [] : [["", dim]]);
  const known = parsed.get(dim);
  if (known !== undefined) return known;
  const poly = parseText(dim);
  if (dim.length > LONGEST_PARSED) return poly;
  if (parsed.size >= MOST_PARSED) parsed.clear();
  parsed.set(dim, poly);
  return poly;
}

function parseText(dim: string): Polynomial {
  const poly: Polynomial = new Map();
  for (const term of dim.replace(/-/g, "+-").split("+")) {
    if (term === "") continue;
    const negative = term.startsWith("-");
    const factors = (negative ? term.slice(1) : term).split("*");
    let coefficient = negative ? -1 : 1;
    const names: string[] = [];
    for (const factor of factors) {
      if (/^\d+$/.test(factor)) coefficient *= Number(factor);
      else if (SYMBOL.test(factor)) names.push(factor);
      else throw new RangeError(`not a dimension: ${dim}`);
    }
    addTerm(poly, names.sort().join("*"), coefficient);
  }
  return poly;
}

function addTerm(poly: Polynomial, monomial: string, coefficient: number): void {
  const sum = (poly.get(monomial) ?? 0) + coefficient;
  if (sum === 0) poly.delete(monomial);
  else poly.set(monomial, sum);
}

function print(poly: ReadonlyMap<string, number>): Dim {
  if (poly.size === 0) return 0;
  const constant = poly.get("");
  if (poly.size === 1 && constant !== undefined) return constant;
  const monomials = [...poly.keys()].sort((a, b) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
  let text = "";
  for (const monomial of monomials) {
    const c = poly.get(monomial) ?? 0;
    const magnitude = Math.abs(c);
    const body = monomial === "" ? `${magnitude}` : magnitude === 1 ? monomial : `${magnitude}*${monomial}`;
    text += c < 0 ? `-${body}` : text === "" ? body : `+${body}`;
  }
  return text;
}

/** The canonical form of a dimension written by hand or read from a file. */
export function canonicalDim(dim: Dim): Dim {
  return print(parse(dim));
}

/** a + b */
export function addDims(a: Dim, b: Dim): Dim {
  return typeof a === "number" && typeof b === "number" ? a + b : sumDims([a, b]);
}

/** Σ dims, in one go: a concatenation may have very many operands. */
export function sumDims(dims: Iterable<Dim>): Dim {
  const sum: Polynomial = new Map();
  for (const dim of dims) {
    if (typeof dim === "number") addTerm(sum, "", dim);
    else for (const [m, c] of parse(dim)) addTerm(sum, m, c);
  }
  return print(sum);
}

/** Products of sums grow without end; sizes of real graphs have a handful of terms. */
const MOST_TERMS = 10_000;

/** a·b */
export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === "number") return scaled(b, a);
  if (typeof b === "number") return scaled(a, b);
  const product: Polynomial = new Map();
  const [left, right] = [parse(a), parse(b)];
  if (left.size * right.size > MOST_TERMS) throw tooManyTerms(left.size, right.size);
  for (const [ma, ca] of left) {
    for (const [mb, cb] of right) {
      const names = [...ma.split("*"), ...mb.split("*")].filter((n) => n !== "").sort();
      addTerm(product, names.join("*"), ca * cb);
    }
  }
  return print(product);
}

function scaled(dim: Dim, factor: number): Dim {
  const product: Polynomial = new Map();
  for (const [monomial, c] of parse(dim)) addTerm(product, monomial, c * factor);
  return print(product);
}

function tooManyTerms(a: number, b: number): TritcError {
  return new TritcError({
    code: "TRITC_E_SHAPE",
    message: "a size of this graph is too long a formula",
    place: "a product of two sizes",
    expected: `at most ${MOST_TERMS} terms`,
    found: `${a} times ${b}`,
    remedy: "export the model with fewer dynamic axes",
  });
}

/** −a */
export function negateDim(a: Dim): Dim {
  return mulDims(a, -1);
}

/** a − b */
export function subDims(a: Dim, b: Dim): Dim {
  return addDims(a, negateDim(b));
}

/** a / b when it divides exactly for every value of the symbols (polynomial division), else undefined. */
export function divDims(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === "number" && typeof b === "number") return b !== 0 && a % b === 0 ? a / b : undefined;
  let rest = parse(a);
  const divisor = parse(b);
  const lead = leading(divisor);
  if (lead === undefined) return undefined;
  const quotient: Polynomial = new Map();
  // Each round cancels the leading term; a polynomial has finitely many, so this ends.
  for (;;) {
    const term = leading(rest);
    if (term === undefined) return print(quotient);
    const monomial = divideMonomial(term[0], lead[0]);
    if (monomial === undefined || term[1] % lead[1] !== 0) return undefined;
    const coefficient = term[1] / lead[1];
    addTerm(quotient, monomial, coefficient);
    const product = parse(mulDims(print(divisor), print(new Map([[monomial, coefficient]]))));
    const next: Polynomial = new Map(rest);
    for (const [m, c] of product) addTerm(next, m, -c);
    rest = next;
  }
}

/** Leading term in graded lexicographic order, which makes polynomial division well founded. */
function leading(poly: ReadonlyMap<string, number>): readonly [string, number] | undefined {
  let best: readonly [string, number] | undefined;
  for (const entry of poly) {
    if (best === undefined || compareMonomials(entry[0], best[0]) > 0) best = entry;
  }
  return best;
}

function compareMonomials(a: string, b: string): number {
  const degree = (m: string) => (m === "" ? 0 : m.split("*").length);
  return degree(a) - degree(b) || (a < b ? 1 : a > b ? -1 : 0);
}

function divideMonomial(a: string, b: string): string | undefined {
  const rest = a === "" ? [] : a.split("*");
  for (const name of b === "" ? [] : b.split("*")) {
    const at = rest.indexOf(name);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return rest.join("*");
}

/** Product of all dimensions; 1 for a scalar. */
export function elementCount(shape: Shape): Dim {
  return shape.reduce<Dim>(mulDims, 1);
}

/** Whether two shapes are equal for all values of their symbols. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** One term of a dimension: a coefficient, and the names of the symbols it is multiplied by. */
export interface Term {
  readonly coefficient: number;
  readonly names: readonly string[];
}

/** The terms whose sum a dimension is; none of 0. */
export function termsOf(dim: Dim): readonly Term[] {
  return Array.from(parse(dim), ([monomial, coefficient]) => ({
    coefficient,
    names: monomial === "" ? [] : monomial.split("*"),
  }));
}

/** The greatest common divisor of the coefficients; 0 of 0. */
export function contentOf(dim: Dim): number {
  return termsOf(dim).reduce((divisor, { coefficient }) => gcd(divisor, Math.abs(coefficient)), 0);
}

/** The greatest common divisor of two numbers that are not negative. */
export function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Names of the symbols a dimension mentions. */
export function symbolsOf(dim: Dim): readonly string[] {
  if (typeof dim === "number") return [];
  const names = new Set<string>();
  for (const m of parse(dim).keys()) for (const n of m.split("*")) if (n !== "") names.add(n);
  return [...names].sort();
}

/** Values of symbols. */
export type Bindings = Readonly<Record<string, number>>;

/** The number a dimension stands for. Throws a RangeError naming a symbol that has no value. */
export function evaluateDim(dim: Dim, bindings: Bindings): number {
  if (typeof dim === "number") return dim;
  let sum = 0;
  for (const [monomial, coefficient] of parse(dim)) {
    let product = coefficient;
    for (const name of monomial.split("*")) {
      if (name === "") continue;
      const value = Object.hasOwn(bindings, name) ? bindings[name] : undefined;
      if (value === undefined) throw new RangeError(`dimension ${dim}: the symbol ${name} has no value`);
      product *= value;
    }
    sum += product;
  }
  return sum;
}

/** The dimension with some symbols replaced by dimensions. */
export function substituteDim(dim: Dim, replacements: Readonly<Record<string, Dim>>): Dim {
  if (typeof dim === "number") return dim;
  let sum: Dim = 0;
  for (const [monomial, coefficient] of parse(dim)) {
    let product: Dim = coefficient;
    for (const name of monomial.split("*")) {
      if (name === "") continue;
      product = mulDims(product, Object.hasOwn(replacements, name) ? (replacements[name] ?? name) : name);
    }
    sum = addDims(sum, product);
  }
  return sum;
}
