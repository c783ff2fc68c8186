/** What the networks of a pipeline have in common: inputs and outputs found, results checked. */
import { TritcError } from "../../ir/errors.js";
import type { VaeTiles } from "../../ir/format/vae-tiles.js";
import { requireFinite } from "../not-finite.js";

/** A dense tensor on the host; whole numbers are exact in it up to 2^24. */
export interface HostTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export interface NetworkInput {
  readonly name: string;
  /** Its element type, as whatever runs the network calls it. */
  readonly type: string;
  /** A symbolic dimension is its name. */
  readonly shape: readonly (number | string)[];
}

/** A network that is ready to run: an ONNX file in ONNX Runtime, or a bundle on a device. */
export interface OpenNetwork {
  readonly inputs: readonly NetworkInput[];
  /** Of a VAE whose device has no room for whole pictures: the tiles that it was compiled for. */
  readonly tiles?: VaeTiles | undefined;
  /** One pass. Feeds are converted to the inputs' element types, outputs to float32; those that no input has the name of are left out. */
  run(feeds: Readonly<Record<string, HostTensor>>): Promise<ReadonlyMap<string, HostTensor>>;
  close(): Promise<void>;
}

/** A network that is loaded on first use, and where it lies. */
export interface Network {
  readonly place: string;
  open(): Promise<OpenNetwork>;
}

/** Networks of a pipeline, by the folders that they lie in. */
export const NETWORK_NAMES = ["text_encoder", "text_encoder_2", "vae_decoder", "vae_encoder"] as const;
export type NetworkName = (typeof NETWORK_NAMES)[number];

/**
 * The output of one of these names, or else the only one of that rank.
 * Throws TRITC_E_PIPELINE_MODEL without one, TRITC_E_NOT_FINITE where it holds NaN or infinite values.
 */
export function pickOutput(
  place: string,
  outputs: ReadonlyMap<string, HostTensor>,
  names: readonly string[],
  rank: number,
): HostTensor {
  const fitting = [...outputs].filter(([, tensor]) => tensor.shape.length === rank);
  const found =
    fitting.find(([name]) => names.includes(name)) ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (found === undefined) {
    const listed = [...outputs].map(([name, tensor]) => `${name} ${show(tensor)}`).join(", ");
    throw modelError(place, "the model lacks an output", `${names[0] ?? ""} of rank ${rank}`, listed);
  }
  const [name, tensor] = found;
  requireFinite(tensor.data, {
    place,
    what: `the network's result ${name}`,
    remedy:
      "export this network in float32, if it computes in float16: T5 and VAEs overflow there; else another prompt or picture",
  });
  return tensor;
}

/** The one input of a network. */
export function onlyInput(place: string, model: OpenNetwork, expected: string): string {
  const [input, ...others] = model.inputs;
  if (input !== undefined && others.length === 0) return input.name;
  const found = model.inputs.map((i) => i.name).join(", ");
  throw modelError(place, "the network has other inputs", `${expected} alone`, found);
}

export function modelError(place: string, message: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_PIPELINE_MODEL",
    message,
    place,
    expected,
    found,
    remedy: "compile the pipeline again, or export it again with optimum-cli export onnx",
  });
}

export function show(tensor: HostTensor): string {
  return `[${tensor.shape.join(",")}]`;
}
