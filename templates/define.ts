import type { Family } from "../ir/families/contract/family.js";
import { EXTRA_FEATURES } from "../ir/families/launch/features.js";
import { faultOf, launchOf, needsOf } from "../ir/families/launch/form.js";
import type { KernelConfig, Language } from "../ir/program/program.js";
import { type DeviceKind, deviceKinds, hasFeature } from "../targets/device-kind.js";
import { SOURCE_ENDINGS } from "../targets/source-files.js";
import type { Target } from "../targets/target.js";
import type { Choice } from "./choice/choose.js";
import { considered, costOf, rejection } from "./choice/consider.js";
import type { Problem } from "./choice/problem.js";
import { RememberedChoices } from "./choice/remembered.js";
import { chooseTogether } from "./choice/together.js";
import { cudaHeader, entryName } from "./cuda/header.js";
import type { KernelDefinition } from "./kernel-definition.js";
import type { Given, KernelTemplates } from "./kernel-templates.js";
import type { TemplateValues } from "./template-values.js";
import { type HeaderOptions, wgslHeader } from "./wgsl/header.js";

const remembered = new RememberedChoices();

/** The config that was measured best for a problem; undefined where nobody has measured. */
export type Measured = (problem: Problem) => KernelConfig | undefined;

/**
 * The kernels of a family with these parameters, one choice for each kind of device of the target: the definition of the most
 * demanding one, with the others behind it as fallbacks. Throws `TRITC_E_KERNEL` where a device takes none.
 */
export function define<P>(
  problem: Omit<Problem<P>, "device">,
  family: Family<P>,
  templates: KernelTemplates<P>,
  target: Target,
  measured?: Measured,
): KernelDefinition {
  const { language } = target;
  const { family: name, params } = problem;
  const signature = family.signature(params);
  const assumed = family.assumes(params);
  const { problems, best } = problemsOf(target, templates, problem, assumed, measured);
  const make = () =>
    chooseTogether(problems, templates, {
      measured: best,
      // With CUDA a kernel's grid is its own.
      oneGrid: language !== "cuda",
    });
  const isMeasured = best.some((config) => config !== undefined);
  const choices = isMeasured ? make() : remembered.of(target, textOf(problem, family), make);
  const definition = chainOf(templates, choices).reduceRight<KernelDefinition | null>((fallback, taken) => {
    const { config } = taken;
    const launch = launchOf(templates.forms, params, config);
    const given: Given = { signature, launch };
    const { workgroup, tile, sharedBytes, persistent, cluster, tensorMaps } = launch;
    if (fallback !== null && language !== "cuda" && String(tile) !== String(fallback.tile)) {
      throw new RangeError(
        `${name}: a launch has one grid, and its kernels have tiles ${tile} and ${fallback.tile}`,
      );
    }
    return {
      kernel: {
        family: name,
        params: family.record(params),
        config,
        ...signature,
        workgroup,
        features: [...needsOf(templates.forms, config), ...assumed],
        cuda:
          language === "cuda"
            ? { sharedBytes, tile, persistent, ...(cluster > 1 && { cluster }), tensorMaps }
            : null,
      },
      language,
      template: `${name}/${config.variant}.${SOURCE_ENDINGS[language]}.hbs`,
      values: {
        ...templates.values(params, config, given),
        ...valuesOf(language, name, templates.header?.(params, config) ?? {}, given),
      },
      tile,
      fallback,
      choices: taken.choices,
    };
  }, null);
  if (definition === null) throw new RangeError(`the target ${target.name} is of no devices`);
  return definition;
}

/** All that decides about choices besides the target. */
function textOf<P>(
  { family: name, params, rows, scalars }: Omit<Problem<P>, "device">,
  family: Family<P>,
): string {
  return JSON.stringify([name, family.record(params), rows, scalars && [...scalars]]);
}

interface Problems<P> {
  readonly problems: readonly Problem<P>[];
  /** What was measured best for each. */
  readonly best: readonly (KernelConfig | undefined)[];
}

/**
 * A problem for each kind of devices, the most demanding first. A kernel that was measured and needs what not all devices of its
 * kind have is for those that have it: they are a kind of their own, before the others. Configs that no kernel has, as records of
 * another version may say, or that the devices do not take, count as not measured.
 */
function problemsOf<P>(
  target: Target,
  templates: KernelTemplates<P>,
  problem: Omit<Problem<P>, "device">,
  assumed: readonly string[],
  measured: Measured | undefined,
): Problems<P> {
  const problems: Problem<P>[] = [];
  const best: (KernelConfig | undefined)[] = [];
  for (const kind of deviceKinds(target)) {
    const device = withFeatures(kind, assumed);
    const given = measured?.({ ...problem, device });
    const isKnown = given !== undefined && faultOf(templates.forms, problem.params, given) === undefined;
    const extra =
      !isKnown || kind.cuda !== null
        ? []
        : needsOf(templates.forms, given).filter((feature) => !hasFeature(device, feature));
    const special = extra.every((feature) => EXTRA_FEATURES.includes(feature)) && extra.length > 0;
    const owner = special
      ? { ...withFeatures(device, extra), name: `${kind.name} with ${extra.join(", ")}` }
      : device;
    const takes = isKnown && rejection({ params: problem.params, device: owner }, templates, given) === null;
    if (special && takes) {
      problems.push({ ...problem, device: owner });
      best.push(given);
    }
    problems.push({ ...problem, device });
    best.push(takes && !special ? given : undefined);
  }
  return { problems, best };
}

function withFeatures(kind: DeviceKind, features: readonly string[]): DeviceKind {
  return features.length === 0 ? kind : { ...kind, features: [...kind.features, ...features] };
}

/** Every config that a device takes: the cheapest by the cost model first; where costs are not known, as the family prefers them. */
export function fittingConfigs<P>(
  problem: Problem<P>,
  templates: KernelTemplates<P>,
): readonly KernelConfig[] {
  const fitting = considered(problem, templates).filter(
    (config) => rejection(problem, templates, config) === null,
  );
  const seconds = new Map(
    fitting.map((config) => [config, costOf(problem, templates, config)?.seconds ?? Number.MAX_VALUE]),
  );
  return fitting.sort((a, b) => (seconds.get(a) ?? 0) - (seconds.get(b) ?? 0));
}

/** What templates of a language are rendered with besides. */
function valuesOf(
  language: Language,
  family: string,
  header: HeaderOptions,
  { signature, launch }: Given,
): TemplateValues {
  switch (language) {
    case "wat":
      return {};
    case "wgsl":
      return { header: wgslHeader(signature, header) };
    case "cuda":
      return { header: cudaHeader(signature), entry: entryName(family), threads: launch.workgroup[0] };
  }
}

/** A config that some kinds of devices take. */
interface Taken {
  readonly config: KernelConfig;
  readonly choices: readonly Choice[];
}

/**
 * Each config once, in the order of a bundle's fallbacks: a device takes the first kernel that it can run, which must be
 * the one that was chosen for it.
 */
function chainOf<P>(
  { forms }: Pick<KernelTemplates<P>, "forms">,
  choices: readonly Choice[],
): readonly Taken[] {
  const left = new Map<string, Taken>();
  for (const choice of choices) {
    const key = JSON.stringify(choice.config);
    left.set(key, { config: choice.config, choices: [...(left.get(key)?.choices ?? []), choice] });
  }
  const chain: Taken[] = [];
  while (left.size > 0) {
    const [key, next] =
      [...left].find(([key, { config }]) => {
        const needs = needsOf(forms, config);
        const runs = ({ problem: { device } }: Choice) =>
          needs.every((feature) => hasFeature(device, feature));
        return [...left].every(([other, taken]) => other === key || !taken.choices.some(runs));
      }) ?? [];
    if (key === undefined || next === undefined) {
      throw new RangeError(
        `no order of fallbacks gives each device its kernel: ${[...left.keys()].join(" ")}`,
      );
    }
    left.delete(key);
    chain.push(next);
  }
  return chain;
}
