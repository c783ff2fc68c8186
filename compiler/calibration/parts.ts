import { open } from "node:fs/promises";
import { TritcError } from "../../ir/errors.js";
import { type SafetensorsEntry, serialize } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { headerOf } from "../checkpoint/tensors.js";
import type { CalibrationDescription } from "./description.js";

/** What training needs of one picture that the full-precision model drew. */
export interface CalibrationSample {
  /** [imageTokens, channels] the final latents. */
  readonly latents: Float32Array;
  /** [textTokens, width] */
  readonly context: Float32Array;
  /** [width]; empty for a model that reads none. */
  readonly pooled: Float32Array;
  /** The guidance scale; 0 for a model that takes none. */
  readonly guidance: number;
}

/** The tensors of a part, one sample after the other in each. */
const TENSORS = ["latents", "context", "pooled", "guidance"] as const;
type TensorName = (typeof TENSORS)[number];

/** The numbers of the parts that a folder holds when it is complete. */
export function partsOf({ samples, batch, shard }: CalibrationDescription): readonly number[] {
  const all = Array.from({ length: Math.ceil(samples / batch) }, (_, part) => part);
  return all.filter((part) => part % shard.count === shard.index - 1);
}

export function partFile(part: number): string {
  return `part-${String(part).padStart(6, "0")}.safetensors`;
}

/** The numbers of a part's samples. */
export function samplesOf({ samples, batch }: CalibrationDescription, part: number): readonly number[] {
  const first = part * batch;
  return Array.from({ length: Math.min(batch, samples - first) }, (_, i) => first + i);
}

/** Shape of each tensor for one sample. */
function sampleShapes(of: CalibrationDescription): Readonly<Record<TensorName, readonly number[]>> {
  return {
    latents: [of.imageTokens, of.model.outChannels],
    context: [of.textTokens, of.model.contextDim],
    pooled: [of.model.pooledDim ?? 0],
    guidance: [],
  };
}

/** A part as a safetensors file. */
export function encodePart(of: CalibrationDescription, samples: readonly CalibrationSample[]): Uint8Array {
  const shapes = sampleShapes(of);
  const tensors = TENSORS.map((name): [string, Tensor] => {
    const shape = [samples.length, ...shapes[name]];
    const data = new Float32Array(shape.reduce((count, size) => count * size, 1));
    const stride = data.length / samples.length;
    for (const [i, { [name]: value }] of samples.entries()) {
      data.set(typeof value === "number" ? [value] : value, i * stride);
    }
    return [name, { dtype: "f32", shape, data }];
  });
  return serialize(new Map(tensors));
}

/** Where the tensors of a part lie in its file. */
export type PartLayout = Readonly<Record<TensorName, SafetensorsEntry>>;

/** Looks at a part's header and size; no sample is read. Throws TRITC_E_CALIBRATION, TRITC_E_SAFETENSORS. */
export function readPartLayout(path: string, of: CalibrationDescription, part: number): PartLayout {
  const { entries } = headerOf(path);
  const shapes = sampleShapes(of);
  const count = samplesOf(of, part).length;
  const checked = TENSORS.map((name): [TensorName, SafetensorsEntry] => {
    const expected = `f32[${[count, ...shapes[name]].join(", ")}]`;
    const entry = entries.get(name);
    const found = entry === undefined ? "nothing" : `${entry.dtype}[${entry.shape.join(", ")}]`;
    if (entry !== undefined && found === expected) return [name, entry];
    throw damagedPart(path, `tensor ${name} is not what the description says`, { expected, found });
  });
  return Object.fromEntries(checked) as Record<TensorName, SafetensorsEntry>;
}

/** Reads one sample, the i-th of the part. Throws TRITC_E_CALIBRATION where it holds what is no number. */
export async function readSample(path: string, layout: PartLayout, i: number): Promise<CalibrationSample> {
  const file = await open(path, "r");
  try {
    const read = async (name: TensorName) => {
      const { shape, offset, length } = layout[name];
      const bytes = length / (shape[0] ?? 1);
      const data = new Float32Array(bytes / 4);
      const { bytesRead } = await file.read(new Uint8Array(data.buffer), 0, bytes, offset + i * bytes);
      if (bytesRead !== bytes) {
        throw damagedPart(path, "the file has become shorter", {
          expected: `${bytes}`,
          found: `${bytesRead}`,
        });
      }
      const bad = data.find((value) => !Number.isFinite(value));
      if (bad === undefined) return data;
      throw damagedPart(path, `${name} of a sample holds what is no number`, {
        expected: "finite numbers",
        found: `${bad} in sample ${i} of the part`,
      });
    };
    const [latents, context, pooled] = [await read("latents"), await read("context"), await read("pooled")];
    const [guidance = 0] = await read("guidance");
    return { latents, context, pooled, guidance };
  } finally {
    await file.close();
  }
}

function damagedPart(
  place: string,
  message: string,
  what: { readonly expected: string; readonly found: string },
): TritcError {
  return new TritcError({
    code: "TRITC_E_CALIBRATION",
    message,
    place,
    ...what,
    remedy: "remove the file and run the same `tritc calibrate` again, which draws what is missing",
  });
}
