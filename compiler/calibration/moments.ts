import { existsSync } from "node:fs";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { decodeJson, index, list, number, object, oneOf, string } from "../../ir/format/decode.js";
import { encodeHeader, type SafetensorsEntry } from "../../ir/format/safetensors.js";
import { writeFileAtomic } from "../atomic-file.js";
import { headerOf } from "../checkpoint/tensors.js";
import { fileReader } from "../file-reader.js";

/** Beside the parts of a calibration: sums over what the linear layers of the blocks read in all steps of its samples. */
export const MOMENTS_FILE = "moments.safetensors";

/** A value that linear layers read. */
export interface MomentInput {
  readonly width: number;
  /** Rows of a sample. */
  readonly rows: number;
  /** Of the layers that read it. */
  readonly roles: readonly string[];
}

/** What the file says of its tensors, in the member `tritc` of its metadata. */
interface MomentsHeader {
  readonly format: "tritc-moments/1";
  /** Numbers of the parts whose samples were summed up. */
  readonly parts: readonly number[];
  /** The sum of the weights of a row in each step of each of these samples. */
  readonly weight: number;
  /** Tensors `<first role>.second` [width, width] and `<first role>.first` [width] are of each. */
  readonly inputs: readonly MomentInput[];
}

const momentsHeader = object<MomentsHeader>({
  format: oneOf("tritc-moments/1"),
  parts: list(index),
  weight: number,
  inputs: list(object<MomentInput>({ width: index, rows: index, roles: list(string) })),
});

/** Sums over the rows of an input of linear layers, by their weights: Σ w·x·xᵀ [width, width] and Σ w·x [width]. */
export interface MomentSums {
  readonly second: Float32Array;
  readonly first: Float32Array;
}

/** Sums that lie somewhere. */
export interface Moments extends Omit<MomentsHeader, "format"> {
  /** Those of the i-th input. */
  read(i: number): Promise<MomentSums>;
}

/** The moments in a calibration folder; undefined where there are none. Throws TRITC_E_CALIBRATION and TRITC_E_SAFETENSORS. */
export function openMoments(folder: string): Moments | undefined {
  const path = join(folder, MOMENTS_FILE);
  if (!existsSync(path)) return undefined;
  const { entries, metadata } = headerOf(path);
  const text = metadata.get("tritc") ?? "";
  const { format: _, ...contents } = decodeJson(text, momentsHeader, path, REMEDY, "TRITC_E_CALIBRATION");
  const places = contents.inputs.map((input) => {
    const [second, first] = tensorsOf(input);
    return { second: entryOf(entries, second, path), first: entryOf(entries, first, path) };
  });
  return { ...contents, read: async (i) => readSums(path, places[i]) };
}

type Tensor = Pick<SafetensorsEntry, "name" | "shape">;

function tensorsOf({ width, roles: [name = ""] }: MomentInput): readonly [Tensor, Tensor] {
  return [
    { name: `${name}.second`, shape: [width, width] },
    { name: `${name}.first`, shape: [width] },
  ];
}

function entryOf(
  entries: ReadonlyMap<string, SafetensorsEntry>,
  { name, shape }: Tensor,
  path: string,
): SafetensorsEntry {
  const entry = entries.get(name);
  const expected = `f32[${shape.join(", ")}]`;
  const found = entry === undefined ? "nothing" : `${entry.dtype}[${entry.shape.join(", ")}]`;
  if (entry !== undefined && found === expected) return entry;
  throw damaged(path, `${name} ${expected}`, found);
}

function readSums(
  path: string,
  place: { readonly second: SafetensorsEntry; readonly first: SafetensorsEntry } | undefined,
): MomentSums {
  if (place === undefined) throw new RangeError("there is no such input");
  const reader = fileReader();
  try {
    const read = ({ name, offset, length }: SafetensorsEntry) => {
      const data = new Float32Array(reader.read(path, offset, length).buffer);
      const bad = data.find((value) => !Number.isFinite(value));
      if (bad !== undefined) throw damaged(path, "finite numbers", `${bad} in ${name}`);
      return data;
    };
    return { second: read(place.second), first: read(place.first) };
  } finally {
    reader.close();
  }
}

/** Writes sums into a calibration folder, one input's after the other: memory is that of one. */
export async function writeMoments(folder: string, moments: Moments): Promise<void> {
  const { parts, weight, inputs, read } = moments;
  const contents: MomentsHeader = {
    format: "tritc-moments/1",
    parts: [...parts].sort((a, b) => a - b),
    weight,
    inputs: inputs.map(({ width, rows, roles }) => ({ width, rows, roles })),
  };
  const specs = inputs.flatMap(tensorsOf).map((tensor) => ({ ...tensor, dtype: "f32" as const }));
  await writeFileAtomic(join(folder, MOMENTS_FILE), async (file) => {
    await file.writeFile(encodeHeader(specs, { tritc: JSON.stringify(contents) }));
    for (const i of inputs.keys()) {
      const { second, first } = await read(i);
      for (const { buffer, byteOffset, byteLength } of [second, first])
        await file.writeFile(new Uint8Array(buffer, byteOffset, byteLength));
    }
  });
}

/** Moments of two sets of parts together. */
export function addMoments(a: Moments, b: Moments): Moments {
  return {
    parts: [...a.parts, ...b.parts],
    weight: a.weight + b.weight,
    inputs: a.inputs,
    async read(i) {
      const [into, from] = [await a.read(i), await b.read(i)];
      return { second: plus(into.second, from.second), first: plus(into.first, from.first) };
    },
  };
}

/** In the first one's place. */
function plus(into: Float32Array, from: Float32Array): Float32Array {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) + (from[i] ?? 0);
  return into;
}

const REMEDY = "remove the file and run the same `tritc calibrate --moments` again";

function damaged(place: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_CALIBRATION",
    message: "these moments are damaged",
    ...{ place, expected, found, remedy: REMEDY },
  });
}
