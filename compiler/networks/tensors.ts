import type { Constant } from "../../ir/constant/constant.js";
import { withoutAffine } from "../checkpoint/affine.js";
import { checkpointError, someOf } from "../checkpoint/errors.js";
import { floatTensor } from "../checkpoint/float-tensor.js";
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
    return floatTensor(this.#tensors, name, shape, {
      place: this.place,
      noun: "network",
      sizes: "network's configuration asks for",
      remedy: "download the folder's weights again, all of them, with the configuration that belongs to them",
    });
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
