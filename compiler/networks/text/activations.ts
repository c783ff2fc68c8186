import type { NetworkConfig } from "../config.js";

/** What Transformers calls activations. */
const ACTIVATIONS = {
  relu: "relu",
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
  quick_gelu: "quick-gelu",
} as const;
export type Activation = (typeof ACTIVATIONS)[keyof typeof ACTIVATIONS];

const NAMES = Object.keys(ACTIVATIONS) as readonly (keyof typeof ACTIVATIONS)[];

/** The activation that a setting names. Throws TRITC_E_NETWORK. */
export function activationOf(
  config: NetworkConfig,
  key: string,
  usual: keyof typeof ACTIVATIONS,
): Activation {
  return ACTIVATIONS[config.word(key, usual, NAMES)];
}

/** The one of a name, if there is one. */
export function activationNamed(name: string): Activation | undefined {
  const known = NAMES.find((candidate) => candidate === name);
  return known === undefined ? undefined : ACTIVATIONS[known];
}
