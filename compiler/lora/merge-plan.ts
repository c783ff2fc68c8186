import type { ByteReader } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { ModelDescription } from "../../ir/models/index.js";
import { someOf } from "../checkpoint/errors.js";
import type { ModelFamily } from "../models/family.js";
import { familyOf } from "../models/index.js";
import type { Resolved, RowRange } from "./adapted.js";
import { widened } from "./algebra.js";
import { loraError, withOthers } from "./errors.js";
import { Parameters, type Replacements } from "./parameters.js";
import type { AdapterModule, AdapterTensor, LoraAdapter } from "./read.js";
import { moduleSettings } from "./settings.js";
import { linearUpdate, type ModuleUpdate, normUpdate, type UpdateContext } from "./update.js";

/** What becomes of an adapter. */
export interface LoraReport {
  readonly file: string;
  readonly scale: number;
  /** Modules whose weights were changed. */
  readonly merged: number;
  /** The same by the form of their updates: LoRA, DoRA, LoKr and so on. */
  readonly forms: Readonly<Record<string, number>>;
  /** What alpha, ranks and patterns were taken from, other than the tensors: PEFT's configuration or Diffusers' metadata. */
  readonly settings: string | null;
  /** Tensors for other networks: text encoders, the VAE. */
  readonly leftOut: readonly string[];
  /** Tensors for blocks and embedders of FLUX that this model does not have. */
  readonly absent: readonly string[];
}

export interface LoraPlan {
  readonly replacements: Replacements;
  /** The model's input channels, where an adapter gives it more than it has. */
  readonly inputChannels: number | undefined;
  readonly reports: readonly LoraReport[];
}

/**
 * What adapters make of a graph's weights, one after the other. Whatever of them belongs to a module of the model and
 * cannot be merged is an error. Their tensors are read once, to see that they are finite. Throws TRITC_E_LORA.
 */
export function planLora(graph: Graph, adapters: readonly LoraAdapter[], reader: ByteReader): LoraPlan {
  const { model } = graph;
  if (model === undefined) {
    throw loraError({
      place: adapters[0]?.file ?? "--lora",
      message: "an adapter can be merged into a FLUX transformer only",
      expected: "a model in which `tritc inspect` recognizes its blocks",
      found: "a generic graph",
      remedy: "compile the model without --lora",
    });
  }
  const planner = new Planner(graph, model, reader);
  const reports = adapters.map((adapter) => planner.add(adapter));
  return { ...planner.result, reports };
}

type Found = Extract<Resolved, { readonly is: "module" }>;

class Planner {
  readonly #family: ModelFamily;
  readonly #resolveName: (name: string) => Resolved;
  readonly #ranges: ReadonlyMap<string, RowRange>;
  readonly #parameters: Parameters;
  readonly #reader: ByteReader;
  readonly #ownChannels: number;
  readonly #guidance: boolean;

  constructor(graph: Graph, model: ModelDescription, reader: ByteReader) {
    this.#family = familyOf(model);
    this.#resolveName = this.#family.adapters.names(model);
    this.#ranges = this.#family.adapters.rows(graph);
    this.#parameters = new Parameters(graph);
    this.#reader = reader;
    this.#ownChannels = model.inChannels;
    this.#guidance = model.guidance;
  }

  get result(): Pick<LoraPlan, "replacements" | "inputChannels"> {
    const columns = this.#inputColumns();
    return {
      replacements: this.#parameters.replacements,
      inputChannels: columns === this.#ownChannels ? undefined : columns,
    };
  }

  add(adapter: LoraAdapter): LoraReport {
    const modules: { readonly module: AdapterModule; readonly found: Found }[] = [];
    const leftOut: string[] = [];
    const absent: string[] = [];
    const unknown: TritcError[] = [];
    const sort = (is: Resolved["is"], tensors: readonly AdapterTensor[]) => {
      if (is === "elsewhere") leftOut.push(...tensors.map(({ name }) => name));
      else if (is === "absent") absent.push(...tensors.map(({ name }) => name));
      else unknown.push(...tensors.map(({ name }) => strange(adapter.weights, name, is)));
    };
    for (const module of adapter.modules) {
      const found = this.#resolve(module.base);
      if (found.is === "module") modules.push({ module, found });
      else sort(this.#owner(module.base), [...module.slots.values(), ...module.doubles]);
    }
    for (const tensor of adapter.others) sort(this.#owner(tensor.name), [tensor]);
    if (modules.length === 0) throw nothingMatches(adapter);
    const problems = [...unknown];
    const own =
      adapter.settings === undefined
        ? undefined
        : moduleSettings(adapter.settings, [...new Set(modules.map(({ found }) => found.name))]);
    const forms: Record<string, number> = {};
    for (const { module, found } of modules) {
      try {
        const context = { adapter, own: own?.get(found.name), reader: this.#reader };
        const { form } = this.#merge(module, found, context);
        forms[form] = (forms[form] ?? 0) + 1;
      } catch (error) {
        if (!(error instanceof TritcError)) throw error;
        problems.push(error);
      }
    }
    if (problems.length > 0) throw withOthers(problems, adapter.weights);
    return {
      file: adapter.file,
      scale: adapter.scale,
      merged: modules.length,
      forms,
      settings: adapter.settings?.place ?? null,
      leftOut,
      absent,
    };
  }

  #resolve(base: string): Resolved {
    const found = this.#resolveName(base);
    const isGuidance = found.is === "module" && found.module.roles[0]?.startsWith("guidance_in.") === true;
    return isGuidance && !this.#guidance ? { is: "absent" } : found;
  }

  /** Whose a tensor is that has a name as no form has them. */
  #owner(name: string): Resolved["is"] {
    for (let base = name; base !== ""; base = base.slice(0, Math.max(0, base.lastIndexOf(".")))) {
      const { is } = this.#resolve(base);
      if (is !== "unknown") return is;
    }
    return "unknown";
  }

  #merge(module: AdapterModule, { module: { kind, roles } }: Found, context: UpdateContext): ModuleUpdate {
    const ranges = roles.map((role) => this.#ranges.get(role)).filter((range) => range !== undefined);
    const weight = ranges.length === roles.length ? this.#parameters.rows(ranges, 1) : undefined;
    if (weight === undefined) throw noConstant(context.adapter, module);
    const [rows = 0, columns = 0] = weight.shape;
    if (kind === "norm") {
      const update = normUpdate(module, rows, context);
      this.#parameters.replace(ranges, 1, update.weight?.(weight) ?? weight);
      return update;
    }
    const input = roles[0] === this.#family.adapters.embedder;
    const wanted = input ? wantedColumns(module, columns) : columns;
    const update = linearUpdate(module, { rows, columns: wanted, input }, context);
    if (update.weight !== undefined || wanted !== columns) {
      const base = widened(weight, wanted);
      this.#parameters.replace(ranges, 1, update.weight?.(base) ?? base);
    }
    if (update.bias !== undefined) {
      const bias = this.#parameters.rows(ranges, 2);
      if (bias === undefined) throw noConstant(context.adapter, module);
      this.#parameters.replace(ranges, 2, update.bias(bias));
    }
    return update;
  }

  #inputColumns(): number {
    const range = this.#ranges.get(this.#family.adapters.embedder);
    const weight = range === undefined ? undefined : this.#parameters.rows([range], 1);
    return weight?.shape[1] ?? this.#ownChannels;
  }
}

/** Input channels that an embedder's update is for, where the weight has a fraction of them. */
function wantedColumns({ slots }: AdapterModule, own: number): number {
  const tensor = slots.get("down") ?? slots.get("diff") ?? slots.get("set_weight");
  const columns = tensor?.shape[1] ?? own;
  return columns > own && columns % own === 0 ? columns : own;
}

function noConstant({ weights }: LoraAdapter, { base }: AdapterModule): TritcError {
  return loraError({
    place: `${weights}: ${base}`,
    message: "the module's parameters are no constants of this model",
    expected: "a linear or norm whose weights are in the model",
    found: "values that the model computes, or a module that its graph does not have as one",
    remedy: "compile the model in Diffusers' or the original format",
  });
}

function strange(file: string, name: string, is: Resolved["is"]): TritcError {
  const whose = is === "module" ? "to a module of this model" : "to nothing that is known";
  return loraError({
    place: `${file}: ${name}`,
    message: `the tensor belongs ${whose} and cannot be merged`,
    expected: "names of the transformer's modules and of adapters' parts, or of text encoders and VAEs",
    found: name,
    remedy: "merge it into the model with the tool that made it, and compile the result",
  });
}

function nothingMatches({ weights, modules, others }: LoraAdapter): TritcError {
  const names = [...modules.flatMap(({ slots }) => [...slots.values()]), ...others].map(({ name }) => name);
  return loraError({
    place: weights,
    message: "none of the adapter's tensors belongs to this model",
    expected:
      "names such as transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight or " +
      "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight",
    found: someOf(names) || "no tensors",
  });
}
