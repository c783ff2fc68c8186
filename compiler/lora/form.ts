import type { Constant } from "../../ir/constant/constant.js";
import type { LoraSettings } from "./settings.js";
import type { Slots } from "./slots.js";
import type { Slot } from "./tensor-name.js";

/** A weight [rows, columns] that a form changes. */
export interface Target {
  readonly rows: number;
  readonly columns: number;
  /** Whether its columns are the model's input channels: updates for the first of them only are for them all. */
  readonly input: boolean;
}

export interface FormContext {
  readonly slots: Slots;
  readonly target: Target;
  readonly settings: LoraSettings | undefined;
  /** What an update of a rank is multiplied by; of no rank, such as a whole LoKr, where undefined. */
  strength(rank: number | undefined): number;
}

/** The weight with the update at a scale. */
export type Change = (of: Constant, scale: number) => Constant;

/** A way to write the update of a weight. */
export interface Form {
  readonly name: string;
  /** The tensors by which it is known: one of them is enough. */
  readonly signs: readonly Slot[];
  read(context: FormContext): Change;
}
