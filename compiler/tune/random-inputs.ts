import { type Dim, evaluateDim, symbolsOf } from "../../ir/dim.js";
import type { Program, ProgramPort } from "../../ir/program/program.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { makeNoise } from "../../runtime/noise.js";

/** Sizes of symbols for a quick check: no two alike, so that mixed-up axes show. */
const SIZES = {
  ...{ img_tokens: 24, txt_tokens: 13, ref_tokens: 15, steps: 1 },
  ...{ tokens: 11, latent_height: 4, latent_width: 6 },
};

/**
 * Seeded random inputs for every port that a forward pass reads: noise, of another stream each time, and for roles what they
 * mean.
 */
export function randomInputs(
  program: Program,
  stream = 0,
  sizes: Readonly<Record<string, number>> = smallSizes(program),
): ReadonlyMap<string, Tensor> {
  const inputs = new Map<string, Tensor>();
  const dtypes = new Map(program.buffers.map((buffer) => [buffer.id, buffer.dtype]));
  for (const [index, port] of program.inputs.entries()) {
    if (port.role === "coefficient") continue;
    const shape = port.shape.map((dim) => sizeOf(dim, sizes));
    const count = countOf(shape);
    const dtype = dtypes.get(port.buffer);
    const isWhole = port.role === null && (dtype === "i32" || dtype === "u32");
    // Whole numbers of no known meaning may be indices: one and zero are the likeliest to exist. In a mask the first takes part.
    const data = isWhole
      ? Float32Array.from({ length: count }, (_, i) => 1 - (i % 2))
      : values(port, count, index, stream);
    inputs.set(port.name, { dtype: "f32", shape, data });
  }
  return inputs;
}

function sizeOf(dim: Dim, sizes: Readonly<Record<string, number>>): number {
  const bindings = Object.fromEntries(
    symbolsOf(dim).map((name, i) => [name, Object.hasOwn(sizes, name) ? (sizes[name] ?? 1) : 5 + 2 * i]),
  );
  return evaluateDim(dim, bindings);
}

/** As `SIZES`; fewer image tokens where those leave none to the text, as in an export for one sum of both. */
function smallSizes({ inputs }: Program): Readonly<Record<string, number>> {
  for (let images = SIZES.img_tokens; images > 1; images = Math.ceil(images / 2)) {
    const sizes = { ...SIZES, img_tokens: images };
    if (inputs.every(({ shape }) => shape.every((dim) => sizeOf(dim, sizes) > 0))) return sizes;
  }
  return SIZES;
}

function values(port: ProgramPort, count: number, index: number, stream: number): Float32Array {
  switch (port.role) {
    case "timestep":
      return new Float32Array(count).fill(0.7);
    case "guidance":
      return new Float32Array(count).fill(3.5);
    case "txt-ids":
      return positions(port, count, (token) => [0, 0, 0, token]);
    case "img-ids":
      // On a grid six wide.
      return positions(port, count, (token) => [0, Math.floor(token / 6), token % 6, 0]);
    case "reference-ids":
      return positions(port, count, (token) => [10, Math.floor(token / 5), token % 5, 0]);
    default:
      return makeNoise(index + 1, count, stream);
  }
}

/** Of tokens, on as many of the axes (time, row, column, text) as the port has. */
function positions(
  { shape }: ProgramPort,
  count: number,
  of: (token: number) => readonly number[],
): Float32Array {
  const axes = Number(shape.at(-1));
  return Float32Array.from({ length: count }, (_, i) => of(Math.floor(i / axes))[i % axes] ?? 0);
}
