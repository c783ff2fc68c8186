import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { between, filled, plus, reshaped, times } from "./algebra.js";
import { loraError } from "./errors.js";
import type { Change, Target } from "./form.js";
import { FORMS, renormalized } from "./forms.js";
import type { AdapterModule, LoraAdapter } from "./read.js";
import { Slots } from "./slots.js";

/** What an adapter makes of a module: its weight or, of a norm, its scale; and its bias. */
export interface ModuleUpdate {
  /** LoRA, DoRA, LoKr, …, for reports. */
  readonly form: string;
  readonly weight: ((of: Constant) => Constant) | undefined;
  readonly bias: ((of: Constant) => Constant) | undefined;
}

/** Alpha and rank as the adapter's settings have them for the module. */
export interface ModuleSettings {
  readonly alpha: number;
  readonly rank: number | undefined;
}

export interface UpdateContext {
  readonly adapter: LoraAdapter;
  readonly own: ModuleSettings | undefined;
  readonly reader: ByteReader;
}

/** The update of a linear. Throws TRITC_E_LORA where any tensor of it cannot be merged. */
export function linearUpdate(module: AdapterModule, target: Target, context: UpdateContext): ModuleUpdate {
  const { scale, weights, settings } = context.adapter;
  const slots = new Slots(module, weights, context.reader);
  checkWhole(slots, context.adapter, module);
  const form = FORMS.find(({ signs }) => signs.some((sign) => slots.has(sign)));
  // Forms that make nothing of alpha are saved with one by some tools.
  const alpha = form?.signs.includes("oft_blocks") === true ? undefined : slots.number("alpha");
  const strength = (rank: number | undefined) => strengthOf(alpha, rank, slots, context);
  const change = form?.read({ slots, target, settings, strength });
  // ComfyUI's note of the shape that a control adapter gives the embedder.
  if (target.input) slots.tensor("reshape_weight");
  const weight =
    change === undefined
      ? undefined
      : normed(change, slots, target, { scale, dora: settings?.dora === true });
  const bias = biasOf(slots, target, scale, strength);
  checkUnused(slots, weights, form?.name);
  const isDora = slots.has("dora_scale") || slots.has("lora_magnitude_vector");
  const name = form === undefined ? "bias" : isDora && form.name === "LoRA" ? "DoRA" : form.name;
  return { form: isDora && name !== "DoRA" ? `${name} with DoRA` : name, weight, bias };
}

/** The update of the scale of a norm. Throws as `linearUpdate`. */
export function normUpdate(module: AdapterModule, length: number, context: UpdateContext): ModuleUpdate {
  const { scale, weights } = context.adapter;
  const slots = new Slots(module, weights, context.reader);
  slots.tensor("alpha");
  const added = slots.tensor("w_norm") ?? slots.tensor("diff");
  const replaced = slots.tensor("set_weight") ?? slots.tensor("weight");
  // A norm of FLUX has no bias; trainers store one of zeros nevertheless.
  const bias = slots.has("b_norm") ? slots.tensor("b_norm") : undefined;
  if (bias !== undefined && slots.numbers(bias).some((value) => value !== 0)) {
    throw slots.misshapen(bias, "zeros, since the norm has no bias");
  }
  checkUnused(slots, weights, added === undefined && replaced === undefined ? undefined : "norm");
  const delta = added === undefined ? undefined : slots.values(added, [length]);
  const value = replaced === undefined ? undefined : slots.values(replaced, [length]);
  return {
    form: "norm",
    weight: (of) => {
      const base = value ?? of;
      return delta === undefined ? base : plus(base, delta, scale);
    },
    bias: undefined,
  };
}

/** DoRA: the rows of PEFT's W + s·ΔW get new norms; LyCORIS' has them at full strength, of which s parts are taken. */
function normed(
  change: Change,
  slots: Slots,
  target: Target,
  { scale, dora }: { readonly scale: number; readonly dora: boolean },
): (of: Constant) => Constant {
  const { rows, columns } = target;
  const magnitude = slots.tensor("lora_magnitude_vector");
  if (magnitude !== undefined) {
    const norms = slots.values(magnitude, magnitude.shape.length === 1 ? [rows] : [rows, 1]);
    return (of) => renormalized(change(of, scale), norms, 0);
  }
  if (dora && slots.has("down"))
    slots.needed("dora_scale", "lora_magnitude_vector, as the settings say use_dora");
  const tensor = slots.tensor("dora_scale");
  if (tensor === undefined) return (of) => change(of, scale);
  const byColumns = tensor.shape[0] !== rows && tensor.shape.length === 2;
  const shape = byColumns ? [1, columns] : tensor.shape.length === 1 ? [rows] : [rows, 1];
  const norms = slots.values(tensor, shape);
  return (of) => {
    const whole = renormalized(change(of, 1), norms, byColumns ? 1 : 0);
    return scale === 1 ? whole : between(of, whole, scale);
  };
}

/** b + s·(what `up` adds, or a difference), or a new bias. */
function biasOf(
  slots: Slots,
  { rows }: Target,
  scale: number,
  strength: (rank: number | undefined) => number,
): ((of: Constant) => Constant) | undefined {
  const replaced = slots.tensor("bias");
  if (replaced !== undefined) {
    const value = slots.values(replaced, [rows]);
    return () => value;
  }
  const scales = slots.has("ia3_l") ? slots.tensor("ia3_l") : undefined;
  if (scales?.shape[0] === rows) {
    const by = reshaped(slots.values(scales, [rows, 1]), [rows]);
    return (of) => plus(of, times(of, plus(filled([rows], -1), by, 1)), scale);
  }
  const ofUp = slots.tensor("up_bias");
  const difference = slots.tensor("diff_b");
  if (ofUp === undefined && difference === undefined) return undefined;
  const rank = slots.has("down") ? slots.tensor("down")?.shape[0] : undefined;
  const parts = [
    ...(ofUp === undefined ? [] : [{ delta: slots.values(ofUp, [rows]), by: strength(rank) }]),
    ...(difference === undefined ? [] : [{ delta: slots.values(difference, [rows]), by: 1 }]),
  ];
  return (of) => parts.reduce((sum, { delta, by }) => plus(sum, delta, scale * by), of);
}

/** Alpha / rank: the file's own alpha, else that of the settings, else 1. */
function strengthOf(
  alpha: number | undefined,
  rank: number | undefined,
  slots: Slots,
  { adapter: { scale, settings }, own }: UpdateContext,
): number {
  let by = 1;
  if (alpha !== undefined) by = rank === undefined ? 1 : alpha / rank;
  else if (settings !== undefined && own !== undefined) {
    const stored = settings.method === "LORA" || settings.method === "LOHA" ? rank : undefined;
    if (stored !== undefined && own.rank !== undefined && own.rank !== stored) {
      throw loraError({
        place: slots.place("down"),
        message: "the update does not have the rank that the adapter's configuration gives it",
        expected: `${own.rank}, by ${settings.place}`,
        found: String(stored),
        remedy: "keep the adapter with the configuration that was saved with it",
      });
    }
    const r = stored ?? own.rank ?? DEFAULT_RANK;
    by = own.alpha / (settings.rankStabilized ? Math.sqrt(r) : r);
  }
  if (!Number.isFinite(scale * by)) {
    throw loraError({
      place: slots.place("down"),
      message: "the update's scale is not a finite number",
      expected: "scale·alpha/rank within the range of numbers",
      found: `${scale}·${by}`,
      remedy: "use a scale such as 0.8",
    });
  }
  return by;
}

/** PEFT's, where its configuration leaves it out. */
const DEFAULT_RANK = 8;

/** Whole weights are an adapter's only where PEFT has trained them beside it; else the file is a checkpoint. */
function checkWhole(slots: Slots, adapter: LoraAdapter, { base }: AdapterModule): void {
  const whole = (slots.has("weight") && !slots.has("on_input")) || slots.has("bias");
  if (!whole || adapter.settings !== undefined || base.startsWith("base_model.")) return;
  throw loraError({
    place: slots.place(slots.has("weight") ? "weight" : "bias"),
    message: "this is a module's whole weight, as a model has it and no adapter",
    expected: "an update such as lora_A and lora_B, or PEFT's adapter_config.json beside the file",
  });
}

function checkUnused(slots: Slots, file: string, form: string | undefined): void {
  const [first] = slots.unused;
  if (first === undefined && form !== undefined) return;
  if (first === undefined && (slots.has("up_bias") || slots.has("diff_b") || slots.has("bias"))) return;
  throw loraError({
    place: first === undefined ? slots.place("alpha") : `${file}: ${first.name}`,
    message: "the tensor belongs to a module of this model and cannot be merged",
    expected:
      form === undefined
        ? "LoRA, DoRA, LoHa, LoKr, GLoRA, IA3, OFT or a difference"
        : `what ${form} is made of`,
    found: slots.unused.map(({ name }) => name).join(", ") || "only alpha",
    remedy: "merge it into the model with the tool that made it, and compile the result",
  });
}
