import type { KernelSignature } from "../ir/families/contract/family.js";
import type {
  ConfigOf,
  ConfigsOf,
  Dimensions,
  Form,
  Forms,
  LaunchShape,
} from "../ir/families/launch/form.js";
import type { KernelConfig } from "../ir/program/program.js";
import type { Counts, Launched } from "./choice/cost.js";
import type { Problem } from "./choice/problem.js";
import type { TemplateValues } from "./template-values.js";
import type { HeaderOptions } from "./wgsl/header.js";

/** What follows from a kernel's parameters and config without its templates. */
export interface Given {
  readonly signature: KernelSignature;
  readonly launch: LaunchShape;
}

/** One family's kernels in one language: what to choose from, and what its templates are rendered with. */
export interface KernelTemplates<P> {
  readonly forms: Forms<P>;
  /** The configs to consider, the best first; some may not fit. */
  configs(problem: Problem<P>): readonly KernelConfig[];
  /** From parameters and config alone; language by language some are added, see `valuesOf`. */
  values(params: P, config: KernelConfig, given: Given): TemplateValues;
  /** WGSL: how arguments are declared. */
  header?(params: P, config: KernelConfig): HeaderOptions;
  /** Variants that no device gets but where they were measured. */
  readonly measuredOnly?: readonly string[];
  /**
   * Without measuring, the order in which floats are added stays that of the first config: other kernels leave the same bits, or
   * rows are to be the same whatever their number.
   */
  readonly keepsOrder?: true;
  /** What a launch takes with a config, which has no fault; null where nobody knows. See `choice/cost.ts`. */
  cost?(params: P, config: KernelConfig, launched: Launched): Counts | null;
}

type AnyForms = Readonly<Record<string, Form<never, Dimensions>>>;
type ParamsOf<F extends AnyForms> = Parameters<F[keyof F]["launch"]>[0];

interface Spec<F extends AnyForms>
  extends Pick<KernelTemplates<ParamsOf<F>>, "header" | "keepsOrder" | "measuredOnly"> {
  configs(problem: Problem<ParamsOf<F>>): readonly ConfigsOf<F>[];
  readonly values: {
    readonly [V in keyof F & string]: (
      params: ParamsOf<F>,
      config: ConfigOf<F[V]["dimensions"]>,
      given: Given,
    ) => TemplateValues;
  };
  /** What a launch takes: of the variants that it is known of. */
  readonly cost?: {
    readonly [V in keyof F & string]?: (
      params: ParamsOf<F>,
      config: ConfigOf<F[V]["dimensions"]>,
      launched: Launched,
    ) => Counts | null;
  };
}

/** The templates of all of a family's forms in one language. */
export function kernelTemplates<F extends AnyForms>(forms: F, spec: Spec<F>): KernelTemplates<ParamsOf<F>> {
  const { cost: costs, ...rest } = spec;
  return {
    ...rest,
    forms,
    values: (params, { variant, ...numbers }, given) =>
      spec.values[variant as keyof F & string](params, numbers as never, given),
    ...(costs === undefined
      ? {}
      : {
          cost: (params: ParamsOf<F>, { variant, ...numbers }: KernelConfig, launched: Launched) =>
            costs[variant as keyof F & string]?.(params, numbers as never, launched) ?? null,
        }),
  };
}
