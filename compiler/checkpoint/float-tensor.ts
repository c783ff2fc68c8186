import type { Constant } from "../../ir/constant/constant.js";
import { isFloat } from "../../ir/dtype.js";
import { unreadType } from "../../ir/format/safetensors.js";
import { checkpointError, someOf } from "./errors.js";
import type { StoredTensors } from "./tensors.js";

/** What asks for a tensor, for messages. */
export interface TensorAsker {
  /** The file or folder. */
  readonly place: string;
  /** model, or network. */
  readonly noun: string;
  /** What says its shape: the model's sizes, the network's configuration. */
  readonly sizes: string;
  /** What to do where it is missing. */
  readonly remedy?: string;
}

/** A float tensor of this shape, as f32. Throws TRITC_E_CHECKPOINT. */
export function floatTensor(
  { constants, unread }: StoredTensors,
  name: string,
  shape: readonly number[],
  { place: at, noun, sizes, remedy }: TensorAsker,
): Constant {
  const tensor = constants.get(name);
  const unreadAs = unread.get(name);
  const place = `${at}: ${name}`;
  const expected = `[${shape.join(", ")}]`;
  if (unreadAs !== undefined) throw unreadType(place, unreadAs);
  if (tensor === undefined) {
    throw checkpointError({
      place,
      message: `a tensor of the ${noun} is missing`,
      expected,
      found: `${constants.size} tensors: ${someOf([...constants.keys()])}`,
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
  if (tensor.shape.length !== shape.length || tensor.shape.some((d, i) => d !== shape[i])) {
    throw checkpointError({
      place,
      message: `the tensor does not have the shape that the ${sizes}`,
      expected,
      found: `[${tensor.shape.join(", ")}]`,
      remedy: "use the configuration that belongs to these weights",
    });
  }
  if (!isFloat(tensor.dtype)) {
    throw checkpointError({
      place,
      message: "the tensor holds no floating-point numbers",
      expected: "bf16, f16 or f32",
      found: tensor.dtype,
      remedy: `give the unquantized ${noun}`,
    });
  }
  return tensor.dtype === "f32" ? tensor : { dtype: "f32", shape, source: { kind: "cast", of: tensor } };
}
