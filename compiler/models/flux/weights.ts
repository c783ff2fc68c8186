import type { Constant } from "../../../ir/constant/constant.js";
import { rowsOf } from "../../analysis/rows-of.js";
import { checkpointError, someOf } from "../../checkpoint/errors.js";
import { floatTensor } from "../../checkpoint/float-tensor.js";
import { namesOf, type StoredTensors } from "../../checkpoint/tensors.js";
import type { FluxModule, FluxNames } from "./modules.js";
import { type FluxSizes, vectorLength } from "./sizes.js";

/** What tensors are called that belong to quantized weights. */
const QUANTIZED =
  /quant|scale_|_scale|absmax|\.qweight|\.qzeros|wscales|smooth|[._]qdata|\._data|\.SCB|weight\.(data|bitsandbytes)/;

/** Weight [out, in] of a linear, and bias [out] where it has one, f32. */
export interface LinearConstants {
  readonly weight: Constant;
  readonly bias?: Constant;
}

/** What a transformer's tensors are. */
export interface WeightForm {
  readonly sizes: FluxSizes;
  /** [out, in] of the linear of a role. */
  shapeOf(role: string): readonly [number, number];
  readonly biases: boolean;
  /** What people call such a transformer. */
  readonly title: string;
}

/**
 * The tensors of a checkpoint by role. Every tensor that a transformer of these sizes has must be there, in its
 * shape, and no other. Throws TRITC_E_CHECKPOINT.
 */
export class FluxWeights {
  readonly #linears = new Map<string, LinearConstants>();
  readonly #vectors = new Map<string, Constant>();
  readonly #form: WeightForm;
  readonly #tensors: StoredTensors;
  readonly #place: string;
  /** Whether the last modulation has its scale before its shift. */
  readonly scaleFirst: boolean;

  constructor(tensors: StoredTensors, names: FluxNames, form: WeightForm, place: string) {
    this.#tensors = tensors;
    this.#form = form;
    const { sizes } = form;
    this.#place = place;
    const modules = names.modules.filter(
      ({ roles }) => sizes.guidance || !roles.some((role) => role.startsWith("guidance_in.")),
    );
    const known = new Set([
      ...modules.flatMap(({ name }) =>
        form.biases ? [`${name}.weight`, `${name}.bias`] : [`${name}.weight`],
      ),
      ...names.vectors.map(({ name }) => name),
    ]);
    const strangers = [...namesOf(tensors)].filter((name) => !known.has(name));
    // Before anything is said of shapes, which the model's sizes do not give weights in other forms.
    const parts = strangers.filter((name) => QUANTIZED.test(name));
    if (parts.length > 0) {
      throw checkpointError({
        place,
        message: "the weights are quantized in a form that is not read",
        expected: "bf16, f16, f32 or scaled 8-bit floats, or GGUF or MLX",
        found: someOf(parts),
        remedy: "use the bfloat16 checkpoint",
      });
    }
    for (const module of modules) this.#addModule(module);
    for (const { name, role } of names.vectors) {
      this.#vectors.set(role, this.#tensor(name, [vectorLength(sizes, role)]));
    }
    this.scaleFirst = modules.some(({ roles }) => roles[0] === "norm_out.scale");
    if (strangers.length > 0) {
      throw checkpointError({
        place,
        message: "there are tensors that the model has no use for",
        expected: `the ${known.size} tensors of ${sizes.doubleBlocks} double and ${sizes.singleBlocks} single blocks`,
        found: someOf(strangers),
        remedy: `give a plain ${form.title} transformer whose configuration fits its weights`,
      });
    }
  }

  linear(role: string): LinearConstants {
    const found = this.#linears.get(role);
    if (found === undefined) throw new Error(`there is no linear ${role}`);
    return found;
  }

  vector(role: string): Constant {
    const found = this.#vectors.get(role);
    if (found === undefined) throw new Error(`there is no vector ${role}`);
    return found;
  }

  #addModule({ name, roles }: FluxModule): void {
    const shapes = roles.map((role) => this.#form.shapeOf(role));
    const rows = shapes.reduce((sum, [out]) => sum + out, 0);
    const columns = shapes[0]?.[1] ?? 0;
    const weight = this.#tensor(`${name}.weight`, [rows, columns]);
    const bias = this.#form.biases ? this.#tensor(`${name}.bias`, [rows]) : undefined;
    const linear = (start: number, count: number): LinearConstants => ({
      weight: rowsOf(weight, start, count),
      ...(bias === undefined ? {} : { bias: rowsOf(bias, start, count) }),
    });
    // Both halves of the last modulation stay together.
    if (roles[0]?.startsWith("norm_out.") === true) {
      this.#linears.set("norm_out.modulation", linear(0, rows));
      return;
    }
    let start = 0;
    for (const [i, role] of roles.entries()) {
      const count = shapes[i]?.[0] ?? 0;
      this.#linears.set(role, linear(start, count));
      start += count;
    }
  }

  /** A float tensor as f32. */
  #tensor(name: string, shape: readonly number[]): Constant {
    const asker = { place: this.#place, noun: "model", sizes: "model's sizes ask for" };
    return floatTensor(this.#tensors, name, shape, asker);
  }
}
