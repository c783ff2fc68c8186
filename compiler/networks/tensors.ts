import type { Constant } from "../../ir/constant/constant.js";
import { isFloat } from "../../ir/dtype.js";
import { unreadType } from "../../ir/format/safetensors.js";
import { withoutAffine } from "../checkpoint/affine.js";
import { checkpointError, someOf } from "../checkpoint/errors.js";
import { namesOf, type StoredTensors } from "../checkpoint/tensors.js";
import { folderTensors, type WeightName } from "../checkpoint/weight-files.js";

/** The tensors of a network by name, as f32 constants that name their bytes. */
export class NetworkTensors {
  readonly #tensors: StoredTensors;
  readonly #used = new Set<string>();

  /** Those of a folder's weight files. Throws TRITC_E_CHECKPOINT, TRITC_E_SAFETENSORS, TRITC_E_FILE_READ. */
  static read(folder: string, name: WeightName): NetworkTensors {
    return new NetworkTensors(withoutAffine(folderTensors(folder, name)), folder);
  }

  constructor(
    tensors: StoredTensors,
    readonly place: string,
  ) {
    this.#tensors = tensors;
  }

  has(name: string): boolean {
    return this.#tensors.constants.has(name) || this.#tensors.unread.has(name);
  }

  /** What the names of a file begin with, by one that it has; the first of what is known where it lacks it. */
  prefixOf(name: string, known: readonly [string, ...string[]]): string {
    return known.find((prefix) => this.has(prefix + name)) ?? known[0];
  }

  /** The name that a tensor has, of several that files give it; the first where it has none. */
  nameOf(names: readonly [string, ...string[]]): string {
    return names.find((name) => this.has(name)) ?? names[0];
  }

  /** A float tensor of this shape. Throws TRITC_E_CHECKPOINT. */
  tensor(name: string, shape: readonly number[]): Constant {
    this.#used.add(name);
    const { constants, unread } = this.#tensors;
    const tensor = constants.get(name);
    const unreadAs = unread.get(name);
    const place = `${this.place}: ${name}`;
    if (unreadAs !== undefined) throw unreadType(place, unreadAs);
    if (tensor === undefined) {
      throw checkpointError({
        place,
        message: "a tensor of the network is missing",
        expected: `[${shape.join(", ")}]`,
        found: `${constants.size} tensors: ${someOf([...constants.keys()])}`,
        remedy:
          "download the folder's weights again, all of them, with the configuration that belongs to them",
      });
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((d, i) => d !== shape[i])) {
      throw checkpointError({
        place,
        message: "the tensor does not have the shape that the network's configuration asks for",
        expected: `[${shape.join(", ")}]`,
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
        remedy: "give the unquantized network",
      });
    }
    return tensor.dtype === "f32" ? tensor : { dtype: "f32", shape, source: { kind: "cast", of: tensor } };
  }

  /**
   * Refuses tensors that nothing took, among those that `belongs` says a built network would read: biases where there
   * should be none, parts of quantized weights. Throws TRITC_E_CHECKPOINT.
   */
  requireAllTaken(belongs: (name: string) => boolean): void {
    const strangers = [...namesOf(this.#tensors)].filter((name) => !this.#used.has(name) && belongs(name));
    if (strangers.length === 0) return;
    throw checkpointError({
      place: this.place,
      message: "there are tensors that the network has no use for",
      expected: `the ${this.#used.size} tensors that its configuration asks for`,
      found: someOf(strangers),
      remedy: "give the unquantized network, with the configuration that belongs to its weights",
    });
  }
}
