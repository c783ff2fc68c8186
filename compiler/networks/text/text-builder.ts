import type { ValueId } from "../../../ir/graph/graph.js";
import { GraphBuilder } from "../../graph-builder.js";
import { scalarConstant } from "../../rewrite/values.js";
import type { NetworkTensors } from "../tensors.js";
import type { Activation } from "./activations.js";

/** Layers that text encoders have in common. Values have the names of the modules that compute them. */
export class TextBuilder extends GraphBuilder {
  /** @param prefix what names of tensors in the file begin with, before those that are given here */
  constructor(
    readonly tensors: NetworkTensors,
    readonly prefix: string,
  ) {
    super();
  }

  /** A weight under its own name. */
  weight(name: string, shape: readonly number[], stored = this.prefix + name): ValueId {
    return this.constant(name, this.tensors.tensor(stored, shape));
  }

  /** x·Wᵀ (+ b) of `<module>.weight` [out, in]. */
  linear(module: string, x: ValueId, [out, width]: readonly [number, number], bias: boolean): ValueId {
    const inputs = [x, this.weight(`${module}.weight`, [out, width])];
    if (bias) inputs.push(this.weight(`${module}.bias`, [out]));
    return this.linearOf(module, inputs);
  }

  linearOf(id: ValueId, inputs: readonly ValueId[]): ValueId {
    return this.node(id, "linear", inputs, { role: null, activation: "none", gated: false });
  }

  layerNorm(module: string, x: ValueId, width: number, epsilon: number, id = module): ValueId {
    const scale = this.weight(`${module}.weight`, [width]);
    const bias = this.weight(`${module}.bias`, [width]);
    return this.node(id, "layer-norm", [x, scale, bias], { axis: 2, epsilon });
  }

  rmsNorm(module: string, x: ValueId, width: number, epsilon: number, id = module): ValueId {
    const scale = this.weight(`${module}.weight`, [width]);
    return this.node(id, "rms-norm", [x, scale], { axis: 2, epsilon, group: 0 });
  }

  add(id: ValueId, a: ValueId, b: ValueId): ValueId {
    return this.node(id, "binary", [a, b], { fn: "add" });
  }

  multiply(id: ValueId, a: ValueId, b: ValueId): ValueId {
    return this.node(id, "binary", [a, b], { fn: "mul" });
  }

  scalar(id: ValueId, value: number): ValueId {
    return this.constant(id, scalarConstant(value));
  }

  activated(id: ValueId, x: ValueId, activation: Activation): ValueId {
    switch (activation) {
      case "relu":
        return this.node(id, "unary", [x], { fn: "relu" });
      case "silu":
        return this.node(id, "silu", [x], {});
      case "gelu":
        return this.node(id, "gelu", [x], { approximate: "none" });
      case "gelu-tanh":
        return this.node(id, "gelu", [x], { approximate: "tanh" });
      case "quick-gelu": {
        // x·sigmoid(1.702·x)
        const scaled = this.multiply(`${id}.scaled`, x, this.scalar(`${id}.factor`, 1.702));
        const gate = this.node(`${id}.gate`, "unary", [scaled], { fn: "sigmoid" });
        return this.multiply(id, x, gate);
      }
    }
  }
}
