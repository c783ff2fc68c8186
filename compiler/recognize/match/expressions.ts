import type { ValueId } from "../../../ir/graph/graph.js";
import { Pairs } from "./pairs.js";

/** An expression of an `Expressions`. Equal expressions are equal numbers. */
export type Expr = number;

export type Atom =
  /** A channel of a value, at the token the expression is evaluated for. */
  | { readonly kind: "leaf"; readonly root: ValueId; readonly channel: number }
  | { readonly kind: "cos" | "sin"; readonly of: Expr }
  /** Entry `index` of the root-mean-square normalization of a list of expressions, times a weight's entry. */
  | {
      readonly kind: "norm";
      readonly group: number;
      readonly index: number;
      readonly epsilon: number;
      readonly weight: ValueId | null;
    };

export interface Term {
  readonly factor: number;
  /** Ascending. */
  readonly atoms: readonly number[];
}

/** A term and the number of its product of atoms. */
interface Indexed extends Term {
  readonly product: number;
}

const MAX_TERMS = 8;
const MAX_ATOMS = 4;

/** Atoms that come in rows: the channels of a value, the entries of a norm. */
type Block =
  | { readonly kind: "leaf"; readonly root: ValueId }
  | {
      readonly kind: "norm";
      readonly group: number;
      readonly epsilon: number;
      readonly weight: ValueId | null;
    };

/** Most atoms of a block, and most blocks; together they fill the negative 32-bit integers. */
const BLOCK = 1 << 17;
const MAX_BLOCKS = 1 << 14;

/**
 * What one channel of a value holds, as a polynomial over atoms in normal form: sums and products in any
 * order, signs anywhere and constants anywhere give the same number.
 *
 * Entry i of block b is the negative number −(b·2^17 + i) − 1, as an atom, as a product of that atom alone and
 * as an expression: almost all expressions are such entries, and they take no memory.
 */
export class Expressions {
  /** Expression → its terms; an expression is the one without its last term, and that term. */
  readonly #sums: (readonly Indexed[])[] = [[]];
  readonly #sumPairs = new Pairs();
  readonly #terms: Indexed[] = [];
  readonly #termPairs = new Pairs();
  readonly #factors = new Map<number, number>();
  /** Product of atoms → the atoms; a product is the one without its last atom, and that atom. */
  readonly #products: (readonly number[])[] = [[]];
  readonly #productPairs = new Pairs();
  readonly #blocks: Block[] = [];
  readonly #blockIds = new Map<string, number>();
  readonly #trigs: Atom[] = [];
  readonly #trigPairs = new Pairs();
  readonly #groups: Int32Array[] = [];
  readonly #groupIds = new Map<string, number>();

  /** Whether little enough is stored to go on; otherwise it is time to start anew. */
  get roomy(): boolean {
    return this.#sums.length < 1 << 18 && this.#blocks.length < MAX_BLOCKS / 2;
  }

  terms(e: Expr): readonly Term[] {
    return this.#termsOf(e);
  }

  atom(index: number): Atom {
    if (index >= 0) return this.#trigs[index] as Atom;
    const at = -index - 1;
    const block = this.#blocks[Math.floor(at / BLOCK)] as Block;
    return block.kind === "leaf"
      ? { kind: "leaf", root: block.root, channel: at % BLOCK }
      : { ...block, index: at % BLOCK };
  }

  /** The kind of block that a negative expression is an entry of; its neighbors in the block are e ± 1. */
  blockKind(e: Expr): Block["kind"] | undefined {
    return e < 0 ? this.#blocks[Math.floor((-e - 1) / BLOCK)]?.kind : undefined;
  }

  group(index: number): Int32Array {
    return this.#groups[index] as Int32Array;
  }

  constant(value: number): Expr {
    return this.of([{ factor: value, atoms: [] }]);
  }

  /** Channels 0 to `count` of a value; undefined when there is no room for them. */
  leaves(root: ValueId, count: number): Int32Array | undefined {
    return this.#block(`leaf ${root}`, count, { kind: "leaf", root });
  }

  trig(kind: "cos" | "sin", of: Expr): Expr {
    // cos(−x) = cos(x), sin(−x) = −sin(x)
    if ((this.terms(of)[0]?.factor ?? 0) < 0) {
      const positive = this.trig(kind, this.scale(of, -1));
      return kind === "cos" ? positive : this.scale(positive, -1);
    }
    const atom = this.#trigPairs.index(kind === "cos" ? 0 : 1, of, this.#trigs.length);
    if (atom === this.#trigs.length) this.#trigs.push({ kind, of });
    return this.#sum([this.#term(1, this.#product([atom]))]);
  }

  /** The entries of the normalization of a list; undefined when there is no room for them. */
  norms(list: Int32Array, epsilon: number, weight: ValueId | null): Int32Array | undefined {
    const group = this.list(list);
    return this.#block(`norm ${group} ${epsilon} ${weight ?? ""}`, list.length, {
      kind: "norm",
      group,
      epsilon,
      weight,
    });
  }

  /** Interns a list of expressions. */
  list(list: Int32Array): number {
    const key = list.join();
    const known = this.#groupIds.get(key);
    if (known !== undefined) return known;
    const id = this.#groups.push(list) - 1;
    this.#groupIds.set(key, id);
    return id;
  }

  /** The values whose channels expressions without norms are made of; undefined where there are norms. */
  roots(list: Int32Array): ReadonlySet<ValueId> | undefined {
    const found = new Set<ValueId>();
    const visit = (e: Expr): boolean =>
      this.terms(e).every(({ atoms }) =>
        atoms.every((index) => {
          const atom = this.atom(index);
          if (atom.kind === "leaf") found.add(atom.root);
          return atom.kind === "leaf" || (atom.kind !== "norm" && visit(atom.of));
        }),
      );
    return list.every(visit) ? found : undefined;
  }

  /** An expression without norms with `leaves[i]` in the place of channel i of any value. */
  withLeaves(e: Expr, leaves: Int32Array): Expr | undefined {
    let sum: Expr | undefined = 0;
    for (const { factor, atoms } of this.terms(e)) {
      let product: Expr | undefined = this.constant(factor);
      for (const index of atoms) {
        const replaced = this.#atomWithLeaves(this.atom(index), leaves);
        if (replaced === undefined || product === undefined) return undefined;
        product = this.multiply(product, replaced);
      }
      sum = sum === undefined || product === undefined ? undefined : this.add(sum, product);
    }
    return sum;
  }

  #atomWithLeaves(atom: Atom, leaves: Int32Array): Expr | undefined {
    if (atom.kind === "norm") return undefined;
    if (atom.kind === "leaf") return leaves[atom.channel];
    const of = this.withLeaves(atom.of, leaves);
    return of === undefined ? undefined : this.trig(atom.kind, of);
  }

  scale(e: Expr, by: number): Expr {
    if (by === 1) return e;
    if (e < 0) return this.#one(by, e);
    return this.#sum(this.#termsOf(e).map((t) => this.#term(t.factor * by, t.product)));
  }

  /** undefined when the sum has too many terms to be of interest. */
  add(a: Expr, b: Expr): Expr | undefined {
    if (a === 0) return b;
    const [s, t] = [this.#onlyTerm(a), this.#onlyTerm(b)];
    if (s !== undefined && t !== undefined) return this.#two(s, t);
    const sum = [...this.#termsOf(a)];
    for (const term of this.#termsOf(b)) {
      const at = sum.findIndex((t) => t.product === term.product);
      const same = sum[at];
      if (same === undefined) sum.push(term);
      else sum[at] = this.#term(same.factor + term.factor, same.product);
    }
    return sum.length > MAX_TERMS ? undefined : this.#sum(sum);
  }

  /** undefined when the product has too many terms to be of interest. */
  multiply(a: Expr, b: Expr): Expr | undefined {
    // One times one, by far the most frequent: a channel and a cosine.
    const [x, y] = [this.#onlyAtom(a), this.#onlyAtom(b)];
    if (x !== undefined && y !== undefined) {
      const factor = this.#onlyFactor(a) * this.#onlyFactor(b);
      return this.#one(factor, this.#pair(Math.min(x, y), Math.max(x, y)));
    }
    const [p, q] = [this.#termsOf(a), this.#termsOf(b)];
    if (p.length * q.length > MAX_TERMS) return undefined;
    let sum: Expr | undefined = 0;
    for (const s of p) {
      for (const t of q) {
        if (s.atoms.length + t.atoms.length > MAX_ATOMS || sum === undefined) return undefined;
        const atoms = [...s.atoms, ...t.atoms].sort((x, y) => x - y);
        sum = this.add(sum, this.#sum([this.#term(s.factor * t.factor, this.#product(atoms))]));
      }
    }
    return sum;
  }

  /** The sum of terms with different atoms. */
  of(terms: readonly Term[]): Expr {
    const [only] = terms;
    if (only !== undefined && terms.length === 1) return this.#one(only.factor, this.#product(only.atoms));
    return this.#sum(terms.map((t) => this.#term(t.factor, this.#product(t.atoms))));
  }

  /** The atom of an expression that is a multiple of one. */
  #onlyAtom(e: Expr): number | undefined {
    if (e < 0) return e;
    const terms = this.#sums[e];
    const atoms = terms?.length === 1 ? terms[0]?.atoms : undefined;
    return atoms?.length === 1 ? atoms[0] : undefined;
  }

  /** The factor of an expression that is a multiple of one atom. */
  #onlyFactor(e: Expr): number {
    return e < 0 ? 1 : (this.#sums[e]?.[0]?.factor ?? 0);
  }

  /** The term of an expression that has one. */
  #onlyTerm(e: Expr): Indexed | undefined {
    if (e < 0) return this.#term(1, e);
    const terms = this.#sums[e];
    return terms?.length === 1 ? terms[0] : undefined;
  }

  /** What `#sum` gives for one term. */
  #one(factor: number, product: number): Expr {
    if (factor === 0) return 0;
    if (factor === 1 && product < 0) return product;
    return this.#extended(0, factor, product);
  }

  /** What `#sum` gives for the sum of two terms. */
  #two(s: Indexed, t: Indexed): Expr {
    if (s.product === t.product) return this.#one(s.factor + t.factor, s.product);
    const [first, last] = s.product < t.product ? [s, t] : [t, s];
    return this.#extended(this.#extended(0, first.factor, first.product), last.factor, last.product);
  }

  /** The interned sum of `e` and a term that comes after its own. */
  #extended(e: Expr, factor: number, product: number): Expr {
    const term = this.#termIndex(factor, product);
    const next = this.#sumPairs.index(e, term, this.#sums.length);
    if (next === this.#sums.length) this.#sums.push([...(this.#sums[e] ?? []), this.#terms[term] as Indexed]);
    return next;
  }

  /** What `#product` gives for two atoms in order. */
  #pair(x: number, y: number): number {
    return this.#times(this.#times(0, x), y);
  }

  /** The interned product of `product` and an atom that comes after its own. */
  #times(product: number, atom: number): number {
    const next = this.#productPairs.index(product, atom, this.#products.length);
    if (next === this.#products.length) this.#products.push([...(this.#products[product] ?? []), atom]);
    return next;
  }

  #termsOf(e: Expr): readonly Indexed[] {
    return e < 0 ? [{ factor: 1, product: e, atoms: [e] }] : (this.#sums[e] as readonly Indexed[]);
  }

  #sum(terms: readonly Indexed[]): Expr {
    const [first] = terms;
    if (terms.length === 1 && first !== undefined && first.factor === 1 && first.product < 0)
      return first.product;
    let kept = terms;
    if (terms.some((t) => t.factor === 0)) return this.#sum(terms.filter((t) => t.factor !== 0));
    if (terms.length > 1) kept = [...terms].sort((s, t) => s.product - t.product);
    let e: Expr = 0;
    for (const term of kept) e = this.#extended(e, term.factor, term.product);
    return e;
  }

  #term(factor: number, product: number): Indexed {
    return this.#terms[this.#termIndex(factor, product)] as Indexed;
  }

  #termIndex(factor: number, product: number): number {
    let f = this.#factors.get(factor);
    if (f === undefined) {
      f = this.#factors.size;
      this.#factors.set(factor, f);
    }
    const index = this.#termPairs.index(f, product, this.#terms.length);
    if (index === this.#terms.length) {
      const atoms = product < 0 ? [product] : (this.#products[product] as readonly number[]);
      this.#terms.push({ factor, product, atoms });
    }
    return index;
  }

  #product(atoms: readonly number[]): number {
    const [only] = atoms;
    if (atoms.length === 1 && only !== undefined && only < 0) return only;
    let product = 0;
    for (const atom of atoms) product = this.#times(product, atom);
    return product;
  }

  #block(key: string, count: number, block: Block): Int32Array | undefined {
    let id = this.#blockIds.get(key);
    if (id === undefined) {
      // The last entry of a block stays free, so that blocks are not neighbors.
      if (this.#blocks.length === MAX_BLOCKS || count >= BLOCK) return undefined;
      id = this.#blocks.push(block) - 1;
      this.#blockIds.set(key, id);
    }
    const entries = new Int32Array(count);
    const first = -(id * BLOCK) - 1;
    for (let i = 0; i < count; i++) entries[i] = first - i;
    return entries;
  }
}
