import { totalmem } from "node:os";
import { TritcError } from "../../ir/errors.js";
import { countOf } from "../../ir/tensor.js";
import { formatBytes, formatCount } from "../units.js";
import type { Parameter } from "./parameters.js";
import type { Trained } from "./student.js";

/** Bytes of an f32. */
const FLOAT = 4;
/** The parameter and both moments, as they were before the step and as they are after it. */
const STATE_COPIES = 6;

/**
 * Bytes that a training holds whatever its batch: the teacher's weights, the state of what is trained, and of weights whose scales
 * alone are trained the codes, in int8 and as they are computed with.
 */
export function trainingBytes(trained: readonly Trained[]): number {
  const latent = new Set(trained.flatMap(({ kind, parameter }) => (kind === "latent" ? [parameter] : [])));
  const parameters = [...new Set(trained.map(({ parameter }) => parameter))];
  const frozen = parameters.filter((parameter) => parameter.ternary && !latent.has(parameter));
  const weights = (of: readonly Parameter[]) => countAll(of.map(({ constant }) => constant));
  return FLOAT * (weights(parameters) + STATE_COPIES * countAll(trained)) + (FLOAT + 1) * weights(frozen);
}

/**
 * Throws TRITC_E_MEMORY for a training that does not fit into this machine, rather than after minutes of writing weights.
 *
 * @param available bytes; the machine's, or what this process may have of them, if absent
 */
export function requireMemory(trained: readonly Trained[], available = availableBytes()): void {
  const bytes = trainingBytes(trained);
  if (bytes <= available) return;
  throw new TritcError({
    code: "TRITC_E_MEMORY",
    message: "the training does not fit into memory",
    place: `${formatCount(countAll(trained))} parameters`,
    expected: `${formatBytes(bytes)} and the activations of a batch`,
    found: formatBytes(available),
    remedy: "train on a machine with more memory, or a smaller model",
  });
}

function countAll(values: readonly { readonly shape: readonly number[] }[]): number {
  return values.reduce((sum, { shape }) => sum + countOf(shape), 0);
}

function availableBytes(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}
