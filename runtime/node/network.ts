/** What the networks of a pipeline have in common: inputs and outputs found, results checked. */
import { TritcError } from "../../ir/errors.js";
import { requireFinite } from "../not-finite.js";
import type { HostTensor, OrtSession } from "./ort-session.js";

/** A network that is loaded on first use, and its file. */
export interface Network {
  readonly place: string;
  open(): Promise<OrtSession>;
}

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
export function onlyInput(place: string, model: OrtSession, expected: string): string {
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
    remedy: "export the pipeline again with optimum-cli export onnx",
  });
}

export function show(tensor: HostTensor): string {
  return `[${tensor.shape.join(",")}]`;
}
