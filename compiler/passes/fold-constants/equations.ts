import {
  addDims,
  contentOf,
  type Dim,
  divDims,
  gcd,
  mulDims,
  negateDim,
  subDims,
  substituteDim,
  symbolsOf,
  termsOf,
} from "../../../ir/dim.js";

/** What some node needs of two dimensions: to be equal, or one to be a multiple of the other. */
export type Equation =
  | { readonly kind: "equal"; readonly a: Dim; readonly b: Dim }
  | { readonly kind: "multiple"; readonly a: Dim; readonly of: number };

export type Replacements = Readonly<Record<string, Dim>>;

/**
 * Solves equations for symbols, one after the other, each with what the ones before it gave. `undefined` if
 * none gives a symbol: a graph that needs the impossible shows it when it runs.
 *
 * @param order symbols to keep, where there is a choice the first rather than the last
 */
export function solveAll(
  equations: readonly Equation[],
  order: readonly string[],
  log: (line: string) => void,
): Replacements | undefined {
  const ranks = new Map(order.map((name, rank) => [name, rank]));
  const lastFirst = (names: readonly string[]) =>
    [...names].sort((x, y) => (ranks.get(y) ?? order.length) - (ranks.get(x) ?? order.length));
  let solved = new Map<string, Dim>();
  const known = new Set<string>();
  for (const equation of equations) {
    const key = `${equation.a} ${equation.kind} ${equation.kind === "equal" ? equation.b : equation.of}`;
    if (known.has(key)) continue;
    known.add(key);
    const found = solve(substituted(equation, Object.fromEntries(solved)), lastFirst);
    if (found === undefined) continue;
    const [name, value] = found;
    log(`the graph needs ${name} = ${value}`);
    const one = { [name]: value };
    solved = new Map([...solved].map(([other, dim]) => [other, substituteDim(dim, one)]));
    solved.set(name, value);
  }
  return solved.size === 0 ? undefined : Object.fromEntries(solved);
}

function substituted(equation: Equation, solved: Replacements): Equation {
  const a = substituteDim(equation.a, solved);
  return equation.kind === "equal"
    ? { ...equation, a, b: substituteDim(equation.b, solved) }
    : { ...equation, a };
}

type Sort = (names: readonly string[]) => readonly string[];

function solve(equation: Equation, lastFirst: Sort): readonly [string, Dim] | undefined {
  if (equation.kind === "equal") return solveEqual(equation.a, equation.b, lastFirst);
  // q | c·p with gcd(q, c) taken out: p = q·s for a new symbol s.
  const content = contentOf(equation.a);
  const q = equation.of / gcd(equation.of, content);
  const primitive = divDims(equation.a, content);
  if (q === 1 || primitive === undefined) return undefined;
  const [name] = lastFirst(isolated(primitive));
  return name === undefined ? undefined : solveEqual(mulDims(q, `${name}.by${q}`), primitive, lastFirst);
}

/** a = b: some symbol that stands alone in the difference; b itself or a if it is one. */
function solveEqual(a: Dim, b: Dim, lastFirst: Sort): readonly [string, Dim] | undefined {
  const difference = withoutCommonFactors(subDims(b, a));
  if (typeof difference === "number") return undefined;
  const candidates = isolated(difference);
  const plain = [b, a].find((dim) => typeof dim === "string" && candidates.includes(dim));
  const name = plain ?? lastFirst(candidates)[0];
  if (typeof name !== "string") return undefined;
  const rest = subDims(difference, name);
  // difference = name + rest, or −name + rest'
  if (!symbolsOf(rest).includes(name)) return [name, negateDim(rest)];
  return [name, addDims(difference, name)];
}

/** Symbols are positive: 2·n·t − 6·n = 0 means t − 3 = 0. */
function withoutCommonFactors(dim: Dim): Dim {
  const terms = termsOf(dim);
  const [first] = terms;
  if (first === undefined) return dim;
  const common = [...first.names];
  for (const { names } of terms) {
    const left = [...names];
    for (const name of [...common]) {
      const at = left.indexOf(name);
      if (at < 0) common.splice(common.indexOf(name), 1);
      else left.splice(at, 1);
    }
  }
  const factor = common.reduce<Dim>(mulDims, contentOf(dim));
  return divDims(dim, factor) ?? dim;
}

/** Symbols of one term only, which is ±the symbol. */
function isolated(dim: Dim): readonly string[] {
  const terms = termsOf(dim);
  const counts = new Map<string, number>();
  for (const { names } of terms) for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return terms
    .filter(({ coefficient, names }) => names.length === 1 && Math.abs(coefficient) === 1)
    .flatMap(({ names }) => names)
    .filter((name) => counts.get(name) === 1);
}
