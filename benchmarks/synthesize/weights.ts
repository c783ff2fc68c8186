import type { FileHandle } from "node:fs/promises";
import { uniform } from "../../test/support/random.js";
import type { ExternalTensor } from "./flux.js";

/** Elements of the pool that rows are cut from. */
const POOL = 1 << 20;
/** One row in so many is an outlier, and this much larger. */
const OUTLIER_EVERY = 512;
const OUTLIER = 8;
/** Bytes written at a time. */
const CHUNK = 1 << 24;

/**
 * Writes random bf16 weights with the statistics of trained ones: every matrix its own scale, tails heavier than a
 * normal distribution's (Student's t with 5 degrees of freedom), a few rows many times larger than the others. Rows
 * start at random places of one pool of random numbers, so that the speed is that of copying.
 */
export async function writeSyntheticWeights(
  file: FileHandle,
  tensors: readonly ExternalTensor[],
  seed: number,
  onProgress: (bytes: number) => void,
): Promise<void> {
  const next = uniform(seed);
  const unit = studentPool(next);
  const chunk = Buffer.alloc(CHUNK);
  for (const tensor of tensors) {
    // Trained layers differ in scale by a factor of a few.
    const scale = tensor.scale * 2 ** (2 * next() - 1);
    const rowBytes = 2 * (tensor.shape.at(-1) ?? 1);
    const isMatrix = tensor.shape.length > 1;
    // A small tensor needs no more of the pool than four times itself.
    const numbers = unit.subarray(0, 2 * tensor.bytes);
    const usual = pool(numbers, tensor.center, scale);
    const large = isMatrix ? pool(numbers, tensor.center, OUTLIER * scale) : usual;
    let at = tensor.offset;
    let filled = 0;
    const flush = async () => {
      await file.write(chunk, 0, filled, at);
      at += filled;
      filled = 0;
      onProgress(at - tensor.offset);
    };
    for (let row = 0; row * rowBytes < tensor.bytes; row++) {
      const source = next() < 1 / OUTLIER_EVERY ? large : usual;
      const start = 2 * Math.floor(next() * (numbers.length - rowBytes / 2));
      if (filled + rowBytes > CHUNK) await flush();
      filled += source.copy(chunk, filled, start, start + rowBytes);
    }
    await flush();
  }
}

/** Student's t with 5 degrees of freedom, scaled to variance 1: a normal over the root of a chi-square. */
function studentPool(next: () => number): Float32Array {
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const degrees = 5;
  const toUnit = Math.sqrt((degrees - 2) / degrees);
  return Float32Array.from({ length: POOL }, () => {
    let chi = 0;
    for (let i = 0; i < degrees; i++) chi += normal() ** 2;
    return (normal() / Math.sqrt(chi / degrees)) * toUnit;
  });
}

/** The pool in bf16, rounded to nearest even. */
function pool(unit: Float32Array, center: number, scale: number): Buffer {
  const values = new Float32Array(unit.length);
  for (let i = 0; i < unit.length; i++) values[i] = center + scale * (unit[i] ?? 0);
  const words = new Uint32Array(values.buffer);
  const bits = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    bits[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return Buffer.from(bits.buffer);
}
