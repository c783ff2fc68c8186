import { describe, expect, it } from "vitest";
import { encodeBlocks } from "../../ir/constant/blocks/encode.js";
import { BLOCK_LAYOUTS, blockElements } from "../../ir/constant/blocks/index.js";
import { narrowLayout, storedRowBytes } from "../../ir/families/contract/narrow.js";
import { HELD_BLOCKS, type Held } from "../../ir/ops/held.js";
import type { Device } from "../../runtime/device.js";
import { defineKernel } from "../../templates/index.js";
import { bfloatBytes, bfloatRounded } from "./bfloat.js";
import { expectOut } from "./expect-out.js";
import { activate, GEMM_SHAPES, product } from "./gemm.js";
import type { KernelDevices } from "./kernel-devices.js";
import { matrix, output, runLaunch, vector } from "./launch.js";
import { randomFloats } from "./random.js";
import { tf32Rounded } from "./tf32.js";

/** Bytes of a matrix as it is stored, and the values that they are. */
export function storedNarrow(held: Held, values: Float32Array): { bytes: Uint8Array; values: Float32Array } {
  if (held === "bf16") return { bytes: bfloatBytes(values), values: bfloatRounded(values) };
  const format = HELD_BLOCKS[held];
  const bytes = encodeBlocks(format, values);
  const perElement = BLOCK_LAYOUTS[format].bytes / BLOCK_LAYOUTS[format].elements;
  const read = (from: number, to: number) => bytes.subarray(from, to);
  expect(bytes.length).toBe(values.length * perElement);
  return { bytes, values: blockElements(format, 0, values.length, read) };
}

interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

const WHOLE_GROUPS: readonly Shape[] = [
  { m: 4, n: 3, k: 32 },
  { m: 1, n: 8, k: 64 },
  { m: 9, n: 65, k: 96 },
  { m: 70, n: 72, k: 320 },
  { m: 131, n: 20, k: 32 },
  { m: 3, n: 1030, k: 1056 },
];

/** The dense gemm on weights that are held in less than f32, and their unpacking, against sums in double precision. */
export function narrowSuite(kernelDevices: KernelDevices): void {
  const { target, devices } = kernelDevices;
  const first = (): Device => Object.values(devices())[0]!;

  async function unpacked(held: Held, n: number, k: number, bytes: Uint8Array, offset = 0) {
    const rowBytes = storedRowBytes(held, k) ?? Number.NaN;
    const { weights } = await runLaunch(first(), defineKernel("unpack-narrow", { n, k, held }, target), {
      rows: n,
      args: {
        source: matrix(bytes, n, rowBytes, { offset }),
        weights: output(1, narrowLayout({ n, k, held }).words[target.language]),
      },
      grid: [n, Math.ceil(k / 32), 1],
    });
    return weights!;
  }

  const CASES: readonly (readonly [Held, readonly Shape[]])[] = [
    ["bf16", GEMM_SHAPES],
    ["int8", WHOLE_GROUPS],
    ["int4", WHOLE_GROUPS],
  ];
  describe.each(CASES)("dense weights in %s", (held, shapes) => {
    it.each(shapes)("$m x $n x $k", async ({ m, n, k }) => {
      const { bytes, values } = storedNarrow(held, randomFloats(10, n * k, 0.7));
      const weights = await unpacked(held, n, k, bytes, 16);
      const x = randomFloats(11, m * k);
      const [bias, gate, residual] = [randomFloats(12, n), randomFloats(13, n), randomFloats(14, m * n)];
      const finished = (y: number, i: number) =>
        residual[i]! + gate[i % n]! * activate(y + bias[i % n]!, "gelu-tanh");
      const params = { n, k, activation: "gelu-tanh", bias: true, gated: true } as const;
      const request = {
        rows: m,
        args: {
          x: matrix(x, m, k, { rowStride: k + 5, offset: 7 }),
          weights: vector(weights),
          bias: vector(bias),
          gate: vector(gate),
          residual: matrix(residual, m, n),
          out: output(m, n, { rowStride: n + 1 }),
        },
        grid: [n, m, 1],
      } as const;
      const tolerance = { absolute: 1e-5 * Math.sqrt(k), relative: 1e-5 };
      const gemm = defineKernel("dense-gemm", { ...params, held }, target);
      const expected = product(x, values, m, n, k, k).map(finished);
      await expectOut(kernelDevices, gemm, request, expected, tolerance);
      if (target.language !== "cuda") return;
      const tf32 = defineKernel("dense-gemm", { ...params, held, products: "tf32" }, target);
      const ofTf32 = product(tf32Rounded(x), tf32Rounded(values), m, n, k, k).map(finished);
      await expectOut(kernelDevices, tf32, request, ofTf32, tolerance);
    });

    it.each([32, 96, ...(held === "bf16" ? [7, 44] : [])])("rows of %i by index", async (c) => {
      const rows = 9;
      const { bytes, values } = storedNarrow(held, randomFloats(16, rows * c, 3));
      const rowBytes = bytes.length / rows;
      const indices = Int32Array.of(3, 0, 8, -1, 3, -9, 5, 8, 1, 2, 2);
      const expected = Array.from(indices, (i) => [
        ...values.subarray(((i + rows) % rows) * c).subarray(0, c),
      ]);
      const params = { c, held };
      const perElement = held === "bf16" ? 2 : 1;
      for (const device of Object.values(devices())) {
        const { out } = await runLaunch(device, defineKernel("gather", params, target), {
          rows: indices.length,
          args: {
            table: matrix(bytes, rows, rowBytes / perElement, { offset: 8 }),
            indices: matrix(indices, indices.length, 1),
            out: output(indices.length, c, { rowStride: c + 1 }),
          },
          scalars: [rows],
          grid: [1, indices.length, 1],
        });
        expect([...out!]).toEqual(expected.flat());
      }
    });

    it("widens every element exactly", async () => {
      const [n, k] = [37, 64];
      // Rows of very different sizes, down to scales that are subnormal as halves, and a row of zeros.
      const spread = randomFloats(15, n * k).map((v, i) => (i < k ? 0 : v * 2 ** -(Math.floor(i / k) % 31)));
      const { bytes, values } = storedNarrow(held, spread);
      const weights = await unpacked(held, n, k, bytes);
      const identity = Float32Array.from({ length: k * k }, (_, i) => (i % (k + 1) === 0 ? 1 : 0));
      const params = { n, k, activation: "none", bias: false, gated: false, held } as const;
      for (const device of Object.values(devices())) {
        const { out } = await runLaunch(device, defineKernel("dense-gemm", params, target), {
          rows: k,
          args: { x: matrix(identity, k, k), weights: vector(weights), out: output(k, n) },
          grid: [n, k, 1],
        });
        const found = Array.from({ length: n * k }, (_, i) => out![(i % k) * n + Math.floor(i / k)]! + 0);
        expect(found).toEqual(Array.from(values, (v) => v + 0));
      }
    });
  });
}
