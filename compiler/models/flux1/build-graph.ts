import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { FluxGraphBuilder } from "../flux/graph-builder.js";
import type { FluxSizes } from "../flux/sizes.js";
import type { FluxWeights } from "../flux/weights.js";

/** A FLUX.1 transformer as model operations. */
export function flux1Graph(name: string, sizes: FluxSizes, weights: FluxWeights): Graph {
  return new Flux1Graph(sizes, weights).build(name);
}

/** FLUX.1's blocks, each with linears of its own for its modulations. */
export class Flux1Graph extends FluxGraphBuilder {
  protected conditioning(sum: ValueId, pooled: ValueId): ValueId {
    return this.node("conditioning", "binary", [sum, this.embedder("vector_in", pooled)], { fn: "add" });
  }

  protected modulation(prefix: string, count: number): readonly ValueId[] {
    return this.rows(`${prefix}.modulation`, count);
  }

  protected activated(prefix: string, x: ValueId): ValueId {
    const up = this.linear(`${prefix}.mlp.up`, x);
    return this.node(`${prefix}.mlp.gelu`, "gelu", [up], { approximate: "tanh" });
  }

  protected singleHeads(prefix: string, x: ValueId): readonly [ValueId, ValueId, ValueId] {
    return this.projections(prefix, x);
  }

  protected singleActivated(prefix: string, x: ValueId): ValueId {
    return this.activated(prefix, x);
  }
}
