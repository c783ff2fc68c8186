import type { Activation } from "../../../ir/ops/index.js";
import type { Operands, Section } from "../operands.js";
import type { Name } from "../writer.js";

/** x·sigmoid(x) */
export function silu(n: Operands, x: Name): Name {
  return n.op("Mul", [x, n.op("Sigmoid", [x])]);
}

export function gelu(n: Operands, x: Name, approximate: "tanh" | "none"): Name {
  return n.op("Gelu", [x], { approximate: { string: approximate } });
}

/** The activation of a linear. */
export function activated(n: Operands, x: Name, activation: Activation): Name {
  switch (activation) {
    case "none":
      return x;
    case "silu":
      return silu(n, x);
    case "gelu-tanh":
      return gelu(n, x, "tanh");
    case "gelu-erf":
      return gelu(n, x, "none");
  }
}

export const activations: Section<"silu" | "gelu"> = {
  silu: (n) => silu(n, n.input(0)),
  gelu: (n, { approximate }) => gelu(n, n.input(0), approximate),
};
