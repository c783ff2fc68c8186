import { FAMILIES } from "../../ir/families/index.js";
import type { Kernel } from "../../ir/program/program.js";
import { UniqueNames } from "../../ir/unique-names.js";
import type { Target } from "../../targets/target.js";
import {
  defineKernel,
  type Family,
  type FamilyParams,
  type KernelDefinition,
} from "../../templates/index.js";

/** A kernel of the program with the definition its source is rendered from. */
export interface SelectedKernel {
  readonly kernel: Kernel;
  readonly definition: KernelDefinition;
}

/**
 * `select-kernels`: one kernel per family and parameters. Ids are made of family and parameters only, never
 * of names in the model.
 */
export class KernelTable {
  readonly #target: Target;
  readonly #byKey = new Map<string, SelectedKernel>();
  readonly #ids = new UniqueNames();
  readonly #all: SelectedKernel[] = [];

  constructor(target: Target) {
    this.#target = target;
  }

  get all(): readonly SelectedKernel[] {
    return this.#all;
  }

  select<F extends Family>(family: F, params: FamilyParams[F]): SelectedKernel {
    const key = `${family} ${JSON.stringify(FAMILIES[family].record(params))}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const definition = defineKernel(family, params, this.#target);
    const selected = this.#add(kernelId(family, definition.kernel.params), definition);
    this.#byKey.set(key, selected);
    return selected;
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
