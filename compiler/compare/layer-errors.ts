import type { InputMoments } from "../calibration/folder.js";
import type { Layer } from "./layers.js";
import { openQuadraticForm, type QuadraticForm } from "./quadratic-form.js";

export interface LayerError {
  readonly role: string;
  /** E‖ŷ − y‖² / E‖y‖² of the layer's results y = Wx + b over what it reads in the reference. */
  readonly error: number;
}

export interface LayerErrorOptions {
  /** Of ONNX Runtime. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the layers that are done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Rows of a weight that are in memory at a time. */
const ROWS = 512;

/**
 * How far the results of each model's layers are from those of the reference, from the moments of what these read: in the
 * reference's order. One input's moments and a part of each weight are in memory at a time.
 */
export async function layerErrors(
  reference: readonly Layer[],
  models: readonly ReadonlyMap<string, Layer>[],
  moments: readonly InputMoments[],
  { threads, signal, onProgress }: LayerErrorOptions = {},
): Promise<readonly (readonly LayerError[])[]> {
  const errors = models.map(() => new Map<string, number>());
  const form = await openQuadraticForm(threads);
  try {
    let done = 0;
    for (const input of moments) {
      const { matrix, mean } = await input.read();
      await form.take(matrix, input.width);
      for (const layer of reference.filter(({ role }) => input.roles.includes(role))) {
        const others = models.map((layers) => layers.get(layer.role));
        const lost = models.map(() => 0);
        let energy = 0;
        for (let start = 0; start < layer.rows; start += ROWS) {
          const end = Math.min(layer.rows, start + ROWS);
          const wanted = layer.read(start, end);
          energy += await squares(form, wanted, mean);
          for (const [i, other] of others.entries()) {
            if (other === undefined) continue;
            lost[i]! += await squares(form, difference(other.read(start, end), wanted), mean);
          }
          signal?.throwIfAborted();
        }
        for (const [i, other] of others.entries()) {
          const error = Math.max(0, lost[i] ?? 0);
          if (other !== undefined) errors[i]?.set(layer.role, error === 0 ? 0 : error / energy);
        }
        onProgress?.(++done, reference.length);
      }
    }
  } finally {
    await form.close();
  }
  return errors.map((own) =>
    reference.flatMap(({ role }) => {
      const error = own.get(role);
      return error === undefined ? [] : [{ role, error }];
    }),
  );
}

type Rows = ReturnType<Layer["read"]>;

function difference(a: Rows, b: Rows): Rows {
  return {
    weights: a.weights.map((value, i) => value - (b.weights[i] ?? Number.NaN)),
    bias: a.bias.map((value, i) => value - (b.bias[i] ?? Number.NaN)),
  };
}

/** E‖Wx + b‖² = tr(W·E[xxᵀ]·Wᵀ) + Σ bᵢ(2·Wᵢ·E[x] + bᵢ) */
async function squares(form: QuadraticForm, { weights, bias }: Rows, mean: Float64Array): Promise<number> {
  const columns = mean.length;
  let sum = await form.of(weights, columns);
  for (let r = 0; r < bias.length; r++) {
    let result = 0;
    for (let c = 0; c < columns; c++) result += weights[r * columns + c]! * mean[c]!;
    sum += bias[r]! * (2 * result + bias[r]!);
  }
  return sum;
}

/** `double.0.img.q` and `double.1.img.q` are of one kind, `double.img.q`: the mean of each. */
export function meansByKind(errors: readonly LayerError[]): ReadonlyMap<string, number> {
  const kinds = new Map<string, number[]>();
  for (const { role, error } of errors) {
    const kind = role.replace(/\.\d+(?=\.|$)/, "");
    kinds.set(kind, [...(kinds.get(kind) ?? []), error]);
  }
  return new Map([...kinds].map(([kind, own]) => [kind, mean(own)]));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
