/** The WebAssembly rows against the plain TypeScript ones, bit for bit. */
import { beforeAll, describe, expect, it } from "vitest";
import { assembleRowKernel, KERNEL_BYTES, type RowKernel, type RowType } from "../../compiler/pack/kernel.js";
import { encodeBlocks, ROUNDED_FORMATS } from "../../ir/constant/blocks/encode.js";
import type { TernaryMethod } from "../../ir/constant/constant.js";
import { decodeBytes, encodeBytes } from "../../ir/constant/convert.js";
import { encodeBfloat } from "../../ir/constant/float16.js";
import { GROUP_SIZES, type GroupSize, groupsOf } from "../../ir/ternary/groups.js";
import { codeRowBytes, packCodeRow, type TernaryStorage } from "../../ir/ternary/storage.js";
import { ternarizeGroups } from "../../ir/ternary/ternarize.js";
import { uniform } from "../support/random.js";

const TYPES = ["bf16", "f16", "f32"] as const;
const METHODS = ["exact", "absmean"] as const;
const STORAGES = ["trits", "2bit"] as const;
const POISON = 0x5a;
/** The kernel's histogram and its sums, zero between calls. */
const ZEROS = Buffer.alloc(393216);

interface Loaded {
  readonly kernel: RowKernel;
  readonly memory: WebAssembly.Memory;
}
const loaded = new Map<RowType, Loaded>();
beforeAll(async () => {
  for (const type of TYPES) {
    const memory = new WebAssembly.Memory({ initial: 160 });
    const module = await WebAssembly.compile(await assembleRowKernel(type));
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    loaded.set(type, { kernel: exports as unknown as RowKernel, memory });
  }
});

function load(type: RowType): Loaded {
  const found = loaded.get(type);
  if (found === undefined) throw new Error(type);
  return found;
}

/** Values as a type stores them: bytes, and the floats they stand for. */
function stored(type: RowType, values: readonly number[]) {
  const bytes = encodeBytes(type, Float32Array.from(values));
  return { bytes, floats: Float32Array.from(decodeBytes(type, bytes, values.length) as Float32Array) };
}

/** The kernel's packed codes and scales of rows of `width`, at an odd place, with room that must stay as it is. */
function run(
  type: RowType,
  bytes: Uint8Array,
  width: number,
  method: TernaryMethod,
  storage: TernaryStorage = "trits",
  group: GroupSize | null = null,
) {
  const { kernel, memory } = load(type);
  const size = type === "f32" ? 4 : 2;
  const rows = bytes.length / (size * width);
  const rowBytes = codeRowBytes(storage, width);
  const scaleBytes = 4 * rows * groupsOf(width, group);
  const at = KERNEL_BYTES + size;
  const out = at + bytes.length + 3;
  const scales = out + rows * rowBytes + 16;
  const scratch = scales + scaleBytes + 16;
  const view = new Uint8Array(memory.buffer);
  view.fill(POISON, KERNEL_BYTES, scratch + 4 * width + 64);
  view.set(bytes, at);
  const bad = kernel.ternarize(
    at,
    rows,
    size * width,
    width,
    group ?? width,
    method === "absmean" ? 1 : 0,
    storage === "2bit" ? 1 : 0,
    out,
    scales,
    scratch,
  );
  const all = Buffer.from(memory.buffer);
  expect(all.subarray(out + rows * rowBytes, scales).every((b) => b === POISON)).toBe(true);
  expect(all.subarray(scales + scaleBytes, scratch).every((b) => b === POISON)).toBe(true);
  expect(all.subarray(scratch + 4 * width, scratch + 4 * width + 64).every((b) => b === POISON)).toBe(true);
  expect(all.subarray(0, ZEROS.length).equals(ZEROS)).toBe(true);
  const found = new Uint8Array(memory.buffer.slice(scales, scales + scaleBytes));
  return {
    bad,
    packed: view.slice(out, out + rows * rowBytes),
    scales: new Float32Array(found.buffer),
  };
}

function reference(
  floats: Float32Array,
  width: number,
  method: TernaryMethod,
  storage: TernaryStorage,
  group: GroupSize | null,
) {
  const rows = floats.length / width;
  const rowBytes = codeRowBytes(storage, width);
  const packed = new Uint8Array(rows * rowBytes);
  const groups = groupsOf(width, group);
  const scales = new Float32Array(rows * groups);
  const codes = new Int8Array(width);
  for (let r = 0; r < rows; r++) {
    const found = scales.subarray(r * groups, (r + 1) * groups);
    ternarizeGroups(floats.slice(r * width, (r + 1) * width), method, group, codes, found);
    packCodeRow(storage, codes, packed.subarray(r * rowBytes, (r + 1) * rowBytes));
  }
  return { bad: -1, packed, scales };
}

function same(type: RowType, values: readonly number[], width: number, group: GroupSize | null = null): void {
  const { bytes, floats } = stored(type, values);
  for (const method of METHODS) {
    for (const storage of STORAGES) {
      const found = run(type, bytes, width, method, storage, group);
      const wanted = reference(floats, width, method, storage, group);
      expect(found.bad).toBe(-1);
      expect([...found.scales], `${type} ${method} scales, width ${width}`).toEqual([...wanted.scales]);
      expect(found.packed, `${type} ${method} ${storage}, width ${width}`).toEqual(wanted.packed);
    }
  }
}

const next = uniform(7);
const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
const fill = (count: number, value: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => value(i));
/** The largest magnitude a type holds, its smallest normal one and its smallest. */
const EXTREMES: Readonly<Record<RowType, readonly [number, number, number]>> = {
  bf16: [2 ** 127 * (2 - 2 ** -7), 2 ** -126, 2 ** -133],
  f16: [65504, 2 ** -14, 2 ** -24],
  f32: [2 ** 127 * (2 - 2 ** -23), 2 ** -126, 2 ** -149],
};

describe.each(TYPES)("rows of %s", (type) => {
  it.each(GROUP_SIZES)("with a scale for each %i of their elements", (group) => {
    for (const width of [group + 1, 2 * group - 3, 3 * group, 5 * group + 40]) {
      same(type, fill(3 * width, normal), width, group);
      // Ternary groups, and ties at the thresholds of the others.
      same(
        type,
        fill(
          3 * width,
          (i) => (Math.floor(i / 32) % 3) * 0.25 * Math.sign(normal()) + (i % 7 === 0 ? 0.5 : 0),
        ),
        width,
        group,
      );
    }
  });

  it("of every width around the vectors", () => {
    for (const width of [...fill(90, (i) => i + 1), 159, 160, 161, 239, 240, 241, 320, 399, 1001, 3072]) {
      same(type, fill(3 * width, normal), width);
    }
  });

  it("with heavy tails, outliers and large spread", () => {
    for (const width of [64, 333, 1024]) {
      same(
        type,
        fill(4 * width, () => normal() / (0.01 + next())),
        width,
      );
      same(
        type,
        fill(4 * width, () => Math.sign(normal()) * 2 ** (-14 + 24 * next())),
        width,
      );
      same(
        type,
        fill(4 * width, (i) => (i % width === 5 ? 1000 : 0.01 * normal())),
        width,
      );
    }
  });

  it("with ties, zeros of both signs and few values", () => {
    for (const width of [7, 80, 200]) {
      same(
        type,
        fill(4 * width, () => Math.round(2 * normal()) / 4),
        width,
      );
      same(
        type,
        fill(4 * width, () => (next() < 0.9 ? -0 : normal())),
        width,
      );
      same(
        type,
        fill(3 * width, (i) => [0, -0, 0.75][i % 3] ?? 0),
        width,
      );
      same(
        type,
        fill(2 * width, () => 0),
        width,
      );
      same(
        type,
        fill(2 * width, () => -0),
        width,
      );
      same(
        type,
        fill(2 * width, (i) => (i % 2 === 0 ? 0.3 : -0.3)),
        width,
      );
      same(
        type,
        fill(2 * width, (i) => (i % width === width - 1 ? -2 : 0)),
        width,
      );
    }
  });

  it("at the ends of the type's range", () => {
    const [largest, normalMin, smallest] = EXTREMES[type];
    for (const width of [9, 96, 181]) {
      same(
        type,
        fill(2 * width, () => Math.sign(normal()) * smallest * Math.ceil(20 * next())),
        width,
      );
      same(
        type,
        fill(2 * width, () => normal() * normalMin),
        width,
      );
      same(
        type,
        fill(2 * width, (i) => (i % 3 === 0 ? largest : -largest / 2)),
        width,
      );
      same(
        type,
        fill(2 * width, (i) => (i % width === 0 ? largest : smallest * (i % 7))),
        width,
      );
    }
  });

  it("where thresholds are close: values half way up, equal gains", () => {
    // One weight of a and n of b: taking them in or leaving them out gains the same where b = a(√(n+1) − 1)/n.
    for (const n of [1, 3, 8, 15, 24]) {
      const b = (Math.sqrt(n + 1) - 1) / n;
      for (const nudge of [0, 2 ** -9, -(2 ** -9), 2 ** -22, -(2 ** -22)]) {
        same(type, [1, ...fill(n, () => b * (1 + nudge)), ...fill(30, () => 0)], n + 31);
      }
    }
    // absmean: w/s = ±0.5 exactly.
    same(type, [1, 1, 1, 1, 0.5, -0.5, -1, -1, -1, 3], 10);
    same(type, [0.5, -0.5, 1.5, -1.5, 1, 1], 6);
  });

  it("the first row that is not finite is found", () => {
    const { kernel, memory } = load(type);
    const size = type === "f32" ? 4 : 2;
    for (const width of [5, 16, 83]) {
      for (const bad of [Number.NaN, Infinity, -Infinity]) {
        const values = fill(4 * width, normal);
        values[2 * width + Math.floor(next() * width)] = bad;
        values[3 * width] = Number.NaN;
        const { bytes } = stored(type, values);
        for (const method of METHODS) expect(run(type, bytes, width, method).bad).toBe(2);
        new Uint8Array(memory.buffer).set(bytes, KERNEL_BYTES);
        expect(kernel.firstInfinite(KERNEL_BYTES, 4, size * width, width)).toBe(2);
        expect(kernel.firstInfinite(KERNEL_BYTES, 2, size * width, width)).toBe(-1);
      }
    }
  });

  it("become blocks and bf16 as in TypeScript, whatever the values are", () => {
    const [largest, normalMin, smallest] = EXTREMES[type];
    const kinds: readonly (() => number)[] = [
      normal,
      () => normal() / (0.01 + next()),
      () => Math.sign(normal()) * 2 ** (-14 + 24 * next()),
      () => Math.sign(normal()) * 2 ** (-40 + 50 * next()),
      () => (next() < 0.05 ? 1000 : 0.01) * normal(),
      () => Math.round(16 * normal()) / 16,
      () => (next() < 0.9 ? -0 : normal()),
      () => 0,
      () => -0,
      () => Math.sign(normal()) * smallest * Math.ceil(20 * next()),
      () => normal() * normalMin,
      () => (next() < 0.3 ? largest : -largest / 2),
      () => (next() < 0.1 ? -largest : smallest * Math.ceil(7 * next())),
      () => normal() * 1e-7,
      () => normal() * 9e6,
    ];
    for (const value of kinds) {
      for (const width of [32, 160]) {
        const values = fill(6 * width, value).map((v) => Math.max(-largest, Math.min(largest, v)));
        const { bytes, floats } = stored(type, values);
        const found = (make: "blocks" | "bfloats", outBytes: number, nibbles = 0) => {
          const { kernel, memory } = load(type);
          const size = type === "f32" ? 4 : 2;
          const [at, out] = [KERNEL_BYTES + size, KERNEL_BYTES + size + bytes.length + 3];
          const view = new Uint8Array(memory.buffer);
          view.fill(POISON, KERNEL_BYTES, out + outBytes + 64);
          view.set(bytes, at);
          const bad =
            make === "blocks"
              ? kernel.blocks(at, 6, size * width, width, nibbles, out)
              : kernel.bfloats(at, 6, size * width, width, out);
          expect(view.subarray(out + outBytes, out + outBytes + 64).every((b) => b === POISON)).toBe(true);
          expect(Buffer.from(memory.buffer, 0, ZEROS.length).equals(ZEROS)).toBe(true);
          return { bad, bytes: Buffer.from(view.slice(out, out + outBytes)) };
        };
        const label = `${type} ${String(value)}`;
        for (const format of ROUNDED_FORMATS) {
          const wanted = Buffer.from(encodeBlocks(format, floats));
          const { bad, bytes: got } = found("blocks", wanted.length, format === "Q4_0" ? 1 : 0);
          expect(bad).toBe(-1);
          expect(got, `${label} ${format}`).toEqual(wanted);
        }
        const wanted = encodeBfloat(floats);
        const infinite = wanted.findIndex((bits) => (bits & 0x7f80) === 0x7f80);
        const { bad, bytes: got } = found("bfloats", 2 * floats.length);
        expect(bad, label).toBe(infinite < 0 ? -1 : Math.floor(infinite / width));
        const rows = bad < 0 ? 6 : bad;
        expect(got.subarray(0, 2 * rows * width), label).toEqual(
          Buffer.from(wanted.buffer, 0, 2 * rows * width),
        );
      }
    }
  });

  it("columns become rows", () => {
    const { kernel, memory } = load(type);
    const size = type === "f32" ? 4 : 2;
    const view = new Uint8Array(memory.buffer);
    for (const [k, columns, gap] of [
      [1, 1, 0],
      [7, 9, 1],
      [8, 8, 0],
      [24, 32, 3],
      [33, 29, 0],
      [100, 3, 5],
    ] as const) {
      const stride = size * (columns + gap);
      const turned = size * k + 16;
      const from = KERNEL_BYTES;
      const to = from + k * stride + 5;
      view.fill(POISON, from, to + columns * turned);
      for (let i = 0; i < k * stride; i++) view[from + i] = Math.floor(256 * next());
      kernel.transpose(from, stride, k, columns, to, turned);
      for (let c = 0; c < columns; c++) {
        for (let r = 0; r < k; r++) {
          const [a, b] = [to + c * turned + r * size, from + r * stride + c * size];
          expect(view.slice(a, a + size), `${k}x${columns}: ${r}, ${c}`).toEqual(view.slice(b, b + size));
        }
        const end = to + c * turned + size * k;
        expect(view.subarray(end, to + (c + 1) * turned).every((byte) => byte === POISON)).toBe(true);
      }
    }
  });
});
