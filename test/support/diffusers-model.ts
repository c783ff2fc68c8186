import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { diffusersNames, type FluxNames, originalNames } from "../../compiler/diffusers/modules.js";
import { serialize } from "../../ir/format/safetensors.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { FluxBuilder } from "./flux-builder.js";
import { type FluxSize, type FluxStyle, TORCHSCRIPT } from "./flux-style.js";
import type { Name } from "./flux-writer.js";

export type Tensors = ReadonlyMap<string, Tensor>;

/** Keeps the weights of the model it writes, in the order in which it makes them. */
class RecordingBuilder extends FluxBuilder {
  readonly matrices: { readonly shape: readonly [number, number]; readonly values: readonly number[] }[] = [];
  readonly vectors: (readonly number[])[] = [];

  override matrix(outputs: number, inputs: number): (transposed: boolean) => Name {
    const store = super.matrix(outputs, inputs);
    const taken = this.#taken;
    if (taken === undefined) throw new Error("a matrix draws its values when it is made");
    this.matrices.push({ shape: [outputs, inputs], values: taken });
    return store;
  }

  override weight(dims: readonly number[], scale: number, center = 0): Name {
    const values = Array.from({ length: countOf(dims) }, () => center + scale * this.random());
    this.vectors.push(values);
    return this.stored(dims, values);
  }
}
