import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { FluxGraphBuilder } from "../flux/graph-builder.js";
import type { FluxSizes } from "../flux/sizes.js";
import type { FluxWeights } from "../flux/weights.js";
import { modulationOf } from "./modules.js";

/** A FLUX.2 transformer as model operations. */
export function flux2Graph(name: string, sizes: FluxSizes, weights: FluxWeights): Graph {
  return new Flux2Graph(sizes, weights).build(name);
}

class Flux2Graph extends FluxGraphBuilder {
  readonly #mlpWidth: number;
  readonly #modulations = new Map<string, readonly ValueId[]>();

  constructor(sizes: FluxSizes, weights: FluxWeights) {
    super(sizes, weights);
    this.#mlpWidth = sizes.mlpWidth;
  }

  protected conditioning(sum: ValueId): ValueId {
    return sum;
  }

  /** The same values for all blocks of a kind. */
  protected modulation(prefix: string, count: number): readonly ValueId[] {
    const role = modulationOf(prefix);
    const rows = this.#modulations.get(role) ?? this.rows(role, count);
    this.#modulations.set(role, rows);
    return rows;
  }

  protected activated(prefix: string, x: ValueId): ValueId {
    return this.#swiglu(`${prefix}.mlp`, this.linear(`${prefix}.mlp.up`, x), 0);
  }

  /** silu(gate)·value of channels from `start` on: the gate's, then as many of the value's. */
  #swiglu(id: string, x: ValueId, start: number): ValueId {
    const width = this.#mlpWidth;
    const gate = this.channels(`${id}.gate`, x, start, width);
    const value = this.channels(`${id}.value`, x, start + width, width);
    const activated = this.node(`${id}.silu`, "silu", [gate], {});
    return this.node(`${id}.product`, "binary", [activated, value], { fn: "mul" });
  }

  protected singleHeads(prefix: string, x: ValueId): readonly [ValueId, ValueId, ValueId] {
    const all = this.linear(`${prefix}.linear1`, x);
    const part = (leaf: string, i: number) => this.channels(`${prefix}.${leaf}`, all, i * this.hidden);
    const normalized = (leaf: string, i: number) => this.normalized(`${prefix}.${leaf}`, part(leaf, i));
    return [normalized("q", 0), normalized("k", 1), part("v", 2)];
  }

  protected singleActivated(prefix: string): ValueId {
    return this.#swiglu(`${prefix}.mlp`, `${prefix}.linear1`, 3 * this.hidden);
  }
}
