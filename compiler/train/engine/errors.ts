import { TritcError } from "../../../ir/errors.js";

/** A file of training state that is not what was written, or not of this training. */
export function badCheckpoint(path: string, message: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_TRAINING_STATE",
    message,
    place: path,
    expected,
    found,
    remedy: "give the options that this training began with, or remove the file to train from the start",
  });
}

/** @param found what is not finite, and where */
export function diverged(place: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_DIVERGED",
    message: "the training has diverged",
    place,
    expected: "finite numbers",
    found,
    remedy:
      "train again with a lower learning rate, a longer warm-up or gradients clipped to a smaller norm; the last checkpoint is still there",
  });
}
