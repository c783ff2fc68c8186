import { rowsOf } from "../analysis/rows-of.js";
import { between, inline, joined, matmul, spread, times, transposed } from "./algebra.js";
import { loraError } from "./errors.js";
import type { Form } from "./form.js";
import { cayley, cayleySeries } from "./orthogonal.js";

/** Blocks of rows turned by Rᵀ = ((I + Q)·(I − Q)⁻¹)ᵀ with Q = B − Bᵀ, then scaled by `rescale`. */
export const oft: Form = {
  name: "OFT",
  signs: ["oft_blocks"],
  read({ slots, target: { rows, columns } }) {
    const tensor = slots.needed("oft_blocks", "oft_blocks");
    const [count = 0, size = 0] = tensor.shape;
    if (count * size !== rows) throw slots.misshapen(tensor, `[n, b, b] of ${rows} rows`);
    slots.values(tensor, [count, size, size]);
    const blocks = slots.numbers(tensor);
    const skew = blocks.map((value, i) => {
      const [block, row, column] = [Math.floor(i / size ** 2), Math.floor(i / size) % size, i % size];
      return value - blocks[block * size ** 2 + column * size + row]!;
    });
    // LyCORIS' constraint, stored as alpha, bounds the norm of all of Q.
    const most = (slots.number("alpha") ?? 0) * rows;
    const norm = Math.hypot(...skewNorms(skew));
    const by = most > 0 && norm > most ? most / norm : 1;
    const turns = Array.from({ length: count }, (_, i) => {
      const q = Float64Array.from(skew.subarray(i * size ** 2, (i + 1) * size ** 2), (v) => v * by);
      return transposed(inline(Float32Array.from(cayley(q, size)), [size, size]));
    });
    const rescale = slots.tensor("rescale");
    const factors =
      rescale === undefined ? undefined : spread(slots.values(rescale, [rows, 1]), [rows, columns], 0, 0);
    return (of, scale) => {
      const turned = joined(turns.map((turn, i) => matmul(turn, rowsOf(of, i * size, size))));
      const whole = scale === 1 ? turned : between(of, turned, scale);
      return factors === undefined ? whole : times(whole, factors);
    };
  },
};

/** Norms of pieces, for `Math.hypot`, which takes only so many arguments. */
function skewNorms(values: Float32Array): number[] {
  const norms: number[] = [];
  for (let at = 0; at < values.length; at += 4096) norms.push(Math.hypot(...values.subarray(at, at + 4096)));
  return norms;
}

/** Groups of columns turned, W · Rᵀ; PEFT knows no other scale than 1. */
export const peftOft: Form = {
  name: "OFT",
  signs: ["oft_R"],
  read({ slots, target: { columns }, settings }) {
    const tensor = slots.needed("oft_R", "oft_R");
    const [stored = 0, entries = 0] = tensor.shape;
    const size = (1 + Math.sqrt(1 + 8 * entries)) / 2;
    const count = columns / size;
    if (!Number.isInteger(size) || !Number.isInteger(count) || (stored !== count && stored !== 1)) {
      throw slots.misshapen(tensor, `[n, b·(b − 1)/2] of ${columns} columns`);
    }
    slots.values(tensor, [stored, entries]);
    if (settings?.method !== "OFT") {
      throw loraError({
        place: slots.place("oft_R"),
        message: "nothing says how the rotations were trained",
        expected: "PEFT's adapter_config.json beside the adapter",
        remedy: "download all of the adapter's folder",
      });
    }
    const upper = slots.numbers(tensor);
    const turns = new Float32Array(count * size * size);
    for (let block = 0; block < count; block++) {
      const q = skewOf(upper.subarray((block % stored) * entries, ((block % stored) + 1) * entries), size);
      const { neumannTerms: terms } = settings;
      const turn =
        terms === undefined
          ? cayley(
              q.map((v) => -v),
              size,
            )
          : cayleySeries(q, size, terms);
      turns.set(turn, block * size * size);
    }
    const blocks = inline(turns, [count, size, size]);
    return (of, scale) => {
      if (scale !== 1) {
        throw loraError({
          place: slots.place("oft_R"),
          message: "PEFT's OFT has no strength other than 1",
          expected: "1",
          found: String(scale),
          remedy: "give the adapter without a scale",
        });
      }
      return { ...of, source: { kind: "rotate", of, blocks } };
    };
  },
};

/** The skew-symmetric matrix of the entries above its diagonal. */
function skewOf(upper: Float32Array, size: number): Float64Array {
  const q = new Float64Array(size * size);
  let at = 0;
  for (let row = 0; row < size; row++) {
    for (let column = row + 1; column < size; column++) {
      const value = upper[at++] ?? 0;
      q[row * size + column] = value;
      q[column * size + row] = -value;
    }
  }
  return q;
}
