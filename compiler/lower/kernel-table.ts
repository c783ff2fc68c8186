import { type Bindings, type Dim, evaluateDim, symbolsOf } from "../../ir/dim.js";
import { FAMILIES } from "../../ir/families/index.js";
import type { Kernel } from "../../ir/program/program.js";
import { UniqueNames } from "../../ir/unique-names.js";
import type { Target } from "../../targets/target.js";
import {
  defineKernel,
  type Family,
  type FamilyParams,
  type KernelDefinition,
  type Measured,
} from "../../templates/index.js";

/** A kernel of the program with the definition its source is rendered from. */
export interface SelectedKernel {
  readonly kernel: Kernel;
  readonly definition: KernelDefinition;
}

/** A kernel that launches wait for. */
interface WantedKernel {
  readonly family: Family;
  /** Of its launches, by rows: scalars of the first. */
  readonly launches: Map<Dim, readonly Dim[]>;
  define(rows: readonly number[], scalars: ReadonlyMap<number, readonly number[]>): KernelDefinition;
}

/**
 * One kernel per family and parameters, chosen once all of its launches are known. Ids are made of family and parameters
 * only, never of names in the model.
 */
export class KernelTable {
  readonly #target: Target;
  readonly #measured: Measured | undefined;
  readonly #wanted = new Map<string, WantedKernel>();
  readonly #ids = new UniqueNames();
  readonly #all: SelectedKernel[] = [];

  /** @param measured configs that are known to be the best */
  constructor(target: Target, measured?: Measured) {
    this.#target = target;
    this.#measured = measured;
  }

  /** Wants a kernel for a launch of so many rows and these scalars; the key that `choose` gives it by. */
  want<F extends Family>(
    family: F,
    params: FamilyParams[F],
    rows: Dim,
    scalars: readonly Dim[] = [],
  ): string {
    const key = `${family} ${JSON.stringify(FAMILIES[family].record(params))}`;
    const wanted = this.#wanted.get(key) ?? {
      family,
      launches: new Map(),
      define: (rows, scalarsOf) =>
        defineKernel(family, params, this.#target, rows, this.#measured, scalarsOf),
    };
    if (!wanted.launches.has(rows)) wanted.launches.set(rows, scalars);
    this.#wanted.set(key, wanted);
    return key;
  }

  /** Chooses every kernel that is wanted, for its launches at each of these sizes. */
  choose(sizes: readonly Bindings[]): {
    readonly all: readonly SelectedKernel[];
    byKey(key: string): SelectedKernel;
  } {
    const chosen = new Map<string, SelectedKernel>();
    for (const [key, { family, launches, define }] of this.#wanted) {
      const known = launchesAt(launches, sizes);
      const definition = define(
        [...known.keys()].sort((a, b) => b - a),
        known,
      );
      chosen.set(key, this.#add(kernelId(family, definition.kernel.params), definition));
    }
    return {
      all: this.#all,
      byKey(key) {
        const kernel = chosen.get(key);
        if (kernel === undefined) throw new RangeError(`no launch wanted ${key}`);
        return kernel;
      },
    };
  }

  #add(wanted: string, definition: KernelDefinition): SelectedKernel {
    const id = this.#ids.claim(wanted, (i) => `${wanted}-${i}`, 2);
    const fallback =
      definition.fallback === null ? null : this.#add(`${id}-fallback`, definition.fallback).kernel.id;
    const selected = { kernel: { ...definition.kernel, id, fallback }, definition };
    this.#all.push(selected);
    return selected;
  }
}

/** Each number of rows once, with scalars of such a launch; those that these sizes decide. */
function launchesAt(
  launches: ReadonlyMap<Dim, readonly Dim[]>,
  sizes: readonly Bindings[],
): ReadonlyMap<number, readonly number[]> {
  const known = new Map<number, readonly number[]>();
  for (const [rows, scalars] of launches) {
    for (const bindings of sizes) {
      const isKnown = (dim: Dim) => symbolsOf(dim).every((name) => Object.hasOwn(bindings, name));
      if (!isKnown(rows)) continue;
      const count = evaluateDim(rows, bindings);
      if (known.has(count)) continue;
      known.set(count, scalars.every(isKnown) ? scalars.map((dim) => evaluateDim(dim, bindings)) : []);
    }
  }
  return known;
}

/** `ternary-gemm-3072x9216-i8-gelu-tanh-bias`: sizes first, then what sets the kernel apart. */
function kernelId(family: string, params: Kernel["params"]): string {
  const words: string[] = [family];
  const { k, n, ...rest } = params;
  if (k !== undefined && n !== undefined) words.push(`${k}x${n}`);
  for (const [name, value] of Object.entries(rest)) {
    if (value === false || value === "none") continue;
    if (value === true) words.push(name);
    else if (typeof value === "number") {
      if (Number.isInteger(value) && value >= 0) words.push(`${name}${value}`);
    } else if (typeof value === "string" && /^[a-z0-9-]{1,16}$/.test(value)) words.push(value);
  }
  return words
    .join("-")
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    .slice(0, 80);
}
