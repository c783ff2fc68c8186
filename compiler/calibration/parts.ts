import { open } from "node:fs/promises";
import { TritcError } from "../../ir/errors.js";
import { type SafetensorsEntry, serialize } from "../../ir/format/safetensors.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { headerOf } from "../checkpoint/tensors.js";
import type { CalibrationDescription } from "./description.js";

/** What a model reads of a prompt. */
export interface CalibrationText {
  /** [textTokens, width] */
  readonly context: Float32Array;
  /** [width]; empty for a model that reads none. */
  readonly pooled: Float32Array;
}

/** What training needs of one picture that the full-precision model drew. */
export interface CalibrationSample extends CalibrationText {
  /** [imageTokens, channels] the final latents. */
  readonly latents: Float32Array;
  /** The guidance scale; 0 for a model that takes none. */
  readonly guidance: number;
}

/** The tensors of a part, one sample after the other in each; behind their texts that of the negative prompt, if there is one. */
const TENSORS = ["latents", "context", "pooled", "guidance"] as const;
type TensorName = (typeof TENSORS)[number];
const TEXTS: ReadonlySet<TensorName> = new Set(["context", "pooled"]);

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

/** Shape of each tensor of a part. */
function partShapes(of: CalibrationDescription, samples: number): ReturnType<typeof sampleShapes> {
  const behind = of.negativePrompt === undefined ? 0 : 1;
  const shapes = sampleShapes(of);
  const whole = TENSORS.map((name) => [name, [samples + (TEXTS.has(name) ? behind : 0), ...shapes[name]]]);
  return Object.fromEntries(whole);
}

/** A part as a safetensors file. */
export function encodePart(
  of: CalibrationDescription,
  samples: readonly CalibrationSample[],
  negative?: CalibrationText,
): Uint8Array {
  const shapes = partShapes(of, samples.length);
  const tensors = TENSORS.map((name): [string, Tensor] => {
    const shape = shapes[name];
    const [rows = 1] = shape;
    const data = new Float32Array(countOf(shape));
    const values = [
      ...samples,
      ...(negative === undefined ? [] : [{ latents: [], guidance: [], ...negative }]),
    ];
    for (const [i, { [name]: value }] of values.entries()) {
      data.set(typeof value === "number" ? [value] : value, (i * data.length) / rows);
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
  const shapes = partShapes(of, samplesOf(of, part).length);
  const checked = TENSORS.map((name): [TensorName, SafetensorsEntry] => {
    const expected = `f32[${shapes[name].join(", ")}]`;
    const entry = entries.get(name);
    const found = entry === undefined ? "nothing" : `${entry.dtype}[${entry.shape.join(", ")}]`;
    if (entry !== undefined && found === expected) return [name, entry];
    throw damagedPart(path, `tensor ${name} is not what the description says`, { expected, found });
  });
  return Object.fromEntries(checked) as Record<TensorName, SafetensorsEntry>;
}

/** Reads one sample, the i-th of the part. Throws TRITC_E_CALIBRATION where it holds what is no number. */
export function readSample(path: string, layout: PartLayout, i: number): Promise<CalibrationSample> {
  return withRows(path, layout, async (read) => {
    const [guidance = 0] = await read("guidance", i);
    const [latents, context, pooled] = [
      await read("latents", i),
      await read("context", i),
      await read("pooled", i),
    ];
    return { latents, context, pooled, guidance };
  });
}

/** Reads what the model reads of the negative prompt, of a part that has it. Throws as `readSample` does. */
export function readNegative(path: string, layout: PartLayout): Promise<CalibrationText> {
  const [samples = 0] = layout.latents.shape;
  return withRows(path, layout, async (read) => {
    return { context: await read("context", samples), pooled: await read("pooled", samples) };
  });
}

async function withRows<T>(
  path: string,
  layout: PartLayout,
  use: (read: (name: TensorName, i: number) => Promise<Float32Array>) => Promise<T>,
): Promise<T> {
  const file = await open(path, "r");
  try {
    return await use(async (name, i) => {
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
    });
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
