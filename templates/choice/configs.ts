import type { Dimensions, Forms } from "../../ir/families/launch/form.js";
import type { KernelConfig } from "../../ir/program/program.js";

/** Values of a dimension that are all tried. */
const MOST_VALUES = 8;

/**
 * Every config that a family's forms have in one language, those that the family prefers first: the product of each form's
 * dimensions. Of a dimension with many values those count that are powers of two, and those of the preferred configs.
 */
export function everyConfig<P>(forms: Forms<P>, preferred: readonly KernelConfig[]): readonly KernelConfig[] {
  const known = KNOWN.get(forms) ?? new Map<string, readonly KernelConfig[]>();
  KNOWN.set(forms, known);
  const key = JSON.stringify(preferred);
  const made = known.get(key) ?? madeOf(forms, preferred);
  known.set(key, made);
  return made;
}

/** Kernels of many parameters are chosen from the same configs, of which there are thousands. */
const KNOWN = new WeakMap<object, Map<string, readonly KernelConfig[]>>();

function madeOf<P>(forms: Forms<P>, preferred: readonly KernelConfig[]): readonly KernelConfig[] {
  const all = [...new Map(preferred.map((config) => [keyOf(config), config])).values()];
  for (const [variant, { dimensions }] of Object.entries(forms)) {
    const own = preferred.filter((config) => config.variant === variant);
    // A variant that the family does not consider for these parameters has none of its configs either.
    if (own.length === 0) continue;
    for (const numbers of productOf(Object.entries(dimensions), own)) {
      const config = { variant, ...numbers };
      // A product has each once.
      if (own.every((other) => differences(config, other) > 0)) all.push(config);
    }
  }
  // Stable: preferred ones, which differ from themselves in nothing, stay first.
  return all
    .map((config) => ({ config, away: distance(config, preferred) }))
    .sort((a, b) => a.away - b.away)
    .map(({ config }) => config);
}

/** In how many numbers a config differs from the nearest preferred one of its variant. */
function distance(config: KernelConfig, preferred: readonly KernelConfig[]): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (const other of preferred) {
    if (other.variant === config.variant) nearest = Math.min(nearest, differences(config, other));
  }
  return nearest;
}

/** In how many numbers two configs of a variant differ. */
function differences(config: KernelConfig, other: KernelConfig): number {
  let count = 0;
  for (const name in config) if (config[name] !== other[name]) count++;
  return count;
}

/** A config as text: two are the same where their keys are. */
export function keyOf({ variant, ...numbers }: KernelConfig): string {
  const sorted = Object.entries(numbers).sort(([a], [b]) => (a < b ? -1 : 1));
  return [variant, ...sorted.map(([name, value]) => `${name}=${value}`)].join(" ");
}

function productOf(
  dimensions: readonly (readonly [string, Dimensions[string]])[],
  preferred: readonly KernelConfig[],
): readonly Omit<KernelConfig, "variant">[] {
  const [first, ...rest] = dimensions;
  if (first === undefined) return [{}];
  const [name, values] = first;
  const tried = triedOf(values, new Set(preferred.map((config) => config[name])));
  const others = productOf(rest, preferred);
  return tried.flatMap((value) => others.map((other) => ({ [name]: value, ...other })));
}

function triedOf(values: Dimensions[string], preferred: ReadonlySet<unknown>): Dimensions[string] {
  if (values.length <= MOST_VALUES) return values;
  const isPower = (value: unknown) => typeof value === "number" && Number.isInteger(Math.log2(value));
  return values.filter((value) => isPower(value) || preferred.has(value));
}
