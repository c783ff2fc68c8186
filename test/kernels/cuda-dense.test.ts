import { describe, expect, it } from "vitest";
import { denseLayout } from "../../ir/families/contract/weights.js";
import { defineKernel } from "../../templates/index.js";
import { bfloatBytes, bfloatRounded, bfloatValues } from "../support/bfloat.js";
import { expectClose } from "../support/compare.js";
import { denseSuite } from "../support/dense-suite.js";
import { activate, product } from "../support/gemm.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch, vector } from "../support/launch.js";
import { randomFloats } from "../support/random.js";

const cuda = cudaDevices();
const { target } = cuda;
const device = () => Object.values(cuda.devices())[0]!;

denseSuite(cuda);

describe("products of tf32", () => denseSuite(cuda, "tf32"));

describe("dense-gemm with bf16 rows", () => {
  it.each([
    // Whole vectors and whole tiles.
    { m: 64, n: 128, k: 32, offset: 8, padding: 0 },
    // Two blocks each way, one row left for the last, an odd row stride.
    { m: 65, n: 140, k: 44, offset: 3, padding: 1 },
    // The narrow tile.
    { m: 37, n: 60, k: 20, offset: 4, padding: 4 },
  ])("$m x $n x $k", async ({ m, n, k, offset, padding }) => {
    const w = bfloatRounded(randomFloats(1, n * k));
    const { weights } = await runLaunch(
      device(),
      defineKernel("unpack-dense", { n, k, source: "bf16" }, target),
      {
        rows: n,
        args: {
          source: matrix(bfloatBytes(w), n, 2 * k),
          weights: output(1, denseLayout({ n, k }).words[target.language]),
        },
        grid: [n, 1, 1],
      },
    );
    const x = bfloatRounded(randomFloats(2, m * k));
    const [bias, gate, residual] = [randomFloats(3, n), randomFloats(4, n), randomFloats(5, m * n)];
    const expected = product(x, w, m, n, k, k).map(
      (y, i) => residual[i]! + gate[i % n]! * activate(y + bias[i % n]!, "gelu-erf"),
    );
    const params = { n, k, activation: "gelu-erf", bias: true, gated: true, x: "bf16", out: "bf16" } as const;
    const request = {
      rows: m,
      args: {
        x: matrix(bfloatBytes(x), m, k, { rowStride: k + padding, offset }),
        weights: vector(weights!),
        bias: vector(bias),
        gate: vector(gate),
        residual: matrix(residual, m, n),
        out: output(m, n, { rowStride: n + padding, offset: offset + 8 }),
      },
      grid: [n, m, 1],
    } as const;
    for (const on of Object.values(cuda.devices())) {
      const { out } = await runLaunch(on, defineKernel("dense-gemm", params, target), request);
      expectClose(bfloatValues(out!), expected, n, { absolute: 1e-5, relative: 2 ** -7.99 });
    }
  });
});

describe("unpack-dense", () => {
  // Rows of whole 16-byte words or not, more than one part of k, a last block of few columns.
  it.each([
    { n: 70, k: 264, source: "bf16", offset: 0 },
    { n: 70, k: 264, source: "bf16", offset: 2 },
    { n: 17, k: 261, source: "f32", offset: 0 },
    { n: 17, k: 260, source: "f32", offset: 16 },
  ] as const)("makes panels of $source: $n x $k from byte $offset", async ({ n, k, source, offset }) => {
    const w = bfloatRounded(randomFloats(1, n * k));
    const bytes = source === "f32" ? new Uint8Array(w.slice().buffer) : bfloatBytes(w);
    const words = denseLayout({ n, k }).words[target.language];
    const { weights } = await runLaunch(device(), defineKernel("unpack-dense", { n, k, source }, target), {
      rows: n,
      args: { source: matrix(bytes, 1, bytes.length, { offset }), weights: output(1, words) },
      grid: [n, 1, 1],
    });
    const expected = Float32Array.from({ length: words }, (_, i) => {
      const column = Math.floor(i / (64 * k)) * 64 + (i % 64);
      return column < n ? w[column * k + (Math.floor(i / 64) % k)]! : 0;
    });
    expect(weights).toEqual(expected);
  });

  it("widens every kind of f16", async () => {
    const bits = [0x3c00, 0xc000, 0x0001, 0x83ff, 0x7c00, 0xfc00, 0x3555, 0x0400];
    const values = [1, -2, 2 ** -24, -1023 * 2 ** -24, Infinity, -Infinity, 0.333251953125, 2 ** -14];
    const { weights } = await runLaunch(
      device(),
      defineKernel("unpack-dense", { n: 1, k: 8, source: "f16" }, target),
      {
        rows: 1,
        args: {
          source: matrix(new Uint8Array(Uint16Array.from(bits).buffer), 1, 16),
          weights: output(1, denseLayout({ n: 1, k: 8 }).words[target.language]),
        },
        grid: [1, 1, 1],
      },
    );
    expect(values.map((_, i) => weights![64 * i])).toEqual(values);
  });
});
