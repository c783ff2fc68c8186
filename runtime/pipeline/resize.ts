/** Pictures at another size, to the bit as Pillow's Lanczos filter makes them: Diffusers resizes with it. */
import type { Picture } from "./picture.js";

/** Lobes of the filter to each side. */
const SUPPORT = 3;
/** Fraction bits of Pillow's fixed-point weights. */
const PRECISION = 22;
const CHANNELS = 3;

/** The picture at another size. Columns first, then rows, or the other way round, each rounded to 8 bits. */
export function resizeLanczos(picture: Picture, width: number, height: number): Picture {
  return isRowsFirst(picture, width, height)
    ? toWidth(toHeight(picture, height), width)
    : toHeight(toWidth(picture, width), height);
}

/** What Pillow does since version 13: rows first where many more of them go than columns. Before, columns came first always. */
function isRowsFirst(from: Picture, width: number, height: number): boolean {
  return height < from.height && from.height - height > 2 * (from.width - width);
}

function toWidth(picture: Picture, width: number): Picture {
  return picture.width === width ? picture : resizeColumns(picture, width);
}

function toHeight(picture: Picture, height: number): Picture {
  return picture.height === height ? picture : transpose(resizeColumns(transpose(picture), height));
}

function resizeColumns({ rgb, width: from, height }: Picture, to: number): Picture {
  const out = new Uint8Array(to * height * CHANNELS);
  for (const [x, { start, weights }] of windows(from, to).entries()) {
    for (let y = 0; y < height; y++) {
      for (let c = 0; c < CHANNELS; c++) {
        // Half a unit rounds; sums are below 2^31, as Pillow's are.
        let sum = 1 << (PRECISION - 1);
        for (const [k, weight] of weights.entries()) {
          sum += weight * (rgb[(y * from + start + k) * CHANNELS + c] ?? 0);
        }
        out[(y * to + x) * CHANNELS + c] = Math.min(255, Math.max(0, sum >> PRECISION));
      }
    }
  }
  return { rgb: out, width: to, height };
}

interface Window {
  readonly start: number;
  readonly weights: readonly number[];
}

/** Which columns make each new one, and how much of them. */
function windows(from: number, to: number): readonly Window[] {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  return Array.from({ length: to }, (_, x) => {
    const center = (x + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - SUPPORT * stretch + 0.5));
    const end = Math.min(from, Math.trunc(center + SUPPORT * stretch + 0.5));
    const raw = Array.from({ length: end - start }, (_, k) => lanczos((k + start - center + 0.5) / stretch));
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    const fixed = raw.map((weight) => {
      const scaled = (weight / total) * 2 ** PRECISION;
      return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    });
    return { start, weights: fixed };
  });
}

function lanczos(x: number): number {
  return Math.abs(x) < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function transpose({ rgb, width, height }: Picture): Picture {
  const out = new Uint8Array(rgb.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * CHANNELS;
      out.set(rgb.subarray(at, at + CHANNELS), (x * height + y) * CHANNELS);
    }
  }
  return { rgb: out, width: height, height: width };
}
