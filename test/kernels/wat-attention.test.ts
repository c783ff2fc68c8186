import { describe, expect, it } from "vitest";
import { cpu } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";
import { expectClose } from "../support/compare.js";
import { wasmDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch } from "../support/launch.js";
import { randomFloats } from "../support/random.js";

const { devices } = wasmDevices();

describe("attention", () => {
  const CASES = [
    { heads: 1, headDim: 4, queries: 1, keys: 1 },
    { heads: 2, headDim: 128, queries: 28, keys: 28 },
    { heads: 3, headDim: 12, queries: 17, keys: 129 },
    { heads: 2, headDim: 64, queries: 33, keys: 64 },
    { heads: 5, headDim: 20, queries: 5, keys: 67 },
    // The middle of a VAE.
    { heads: 1, headDim: 512, queries: 18, keys: 70 },
  ] as const;
  it.each(CASES)(
    "$heads heads of $headDim, $queries queries, $keys keys",
    async ({ heads, headDim, queries, keys }) => {
      const c = heads * headDim;
      const q = randomFloats(1, queries * c, 2);
      const k = randomFloats(2, keys * c, 2);
      const v = randomFloats(3, keys * c);
      const scale = 1 / Math.sqrt(headDim);
      const expected = new Float64Array(queries * c);
      for (let h = 0; h < heads; h++) {
        for (let t = 0; t < queries; t++) {
          const scores = Array.from({ length: keys }, (_, s) => {
            let dot = 0;
            for (let d = h * headDim; d < (h + 1) * headDim; d++) dot += q[t * c + d]! * k[s * c + d]!;
            return Math.exp(scale * dot);
          });
          const total = scores.reduce((a, b) => a + b, 0);
          for (let d = h * headDim; d < (h + 1) * headDim; d++) {
            expected[t * c + d] = scores.reduce((sum, p, s) => sum + (p / total) * v[s * c + d]!, 0);
          }
        }
      }
      const request = {
        rows: queries,
        args: {
          q: matrix(q, queries, c, { rowStride: 3 * c, offset: 8 }),
          k: matrix(k, keys, c, { rowStride: c + 3 }),
          v: matrix(v, keys, c),
          out: output(queries, c, { rowStride: c + 4 }),
        },
        scalars: [keys],
        grid: [heads, queries, 1],
      } as const;
      const definition = defineKernel("attention", { heads, headDim, scale }, cpu);
      const { out } = await runLaunch(devices().one!, definition, request);
      expectClose(out, expected, c, { absolute: 3e-6, relative: 3e-6 });
      expect((await runLaunch(devices().two!, definition, request)).out).toEqual(out);
    },
  );

  it("keeps its precision where scores are far apart", async () => {
    const keys = 130;
    const q = Float32Array.of(1, 0, 0, 0);
    const k = Float32Array.from({ length: keys * 4 }, (_, i) =>
      i % 4 === 0 ? (i === 4 * 100 ? 300 : -200 + i / 4) : 7,
    );
    const v = randomFloats(4, keys * 4);
    const { out } = await runLaunch(
      devices().one!,
      defineKernel("attention", { heads: 1, headDim: 4, scale: 1 }, cpu),
      {
        rows: 1,
        args: { q: matrix(q, 1, 4), k: matrix(k, keys, 4), v: matrix(v, keys, 4), out: output(1, 4) },
        scalars: [keys],
        grid: [1, 1, 1],
      },
    );
    expectClose(out, v.subarray(400, 404), 4);
  });
});

describe("matmul", () => {
  const CASES = [
    { batch: 1, m: 1, n: 1, k: 1 },
    { batch: 3, m: 9, n: 35, k: 17 },
    { batch: 2, m: 20, n: 64, k: 40 },
  ] as const;
  it.each(CASES)("$batch of $m x $n x $k, plain and transposed, shared b", async ({ batch, m, n, k }) => {
    const a = randomFloats(5, batch * m * k);
    const b = randomFloats(6, batch * k * n);
    const definition = defineKernel("matmul", {}, cpu);
    for (const transposed of [false, true]) {
      const [bRow, bColumn] = transposed ? [1, k] : [n, 1];
      const expected = new Float64Array(batch * m * n);
      for (let s = 0; s < batch; s++) {
        for (let r = 0; r < m; r++) {
          for (let o = 0; o < n; o++) {
            let sum = 0;
            // b is shared by the batch where transposed: batch stride 0
            for (let i = 0; i < k; i++) {
              sum += a[(s * m + r) * k + i]! * b[(transposed ? 0 : s * k * n) + i * bRow + o * bColumn]!;
            }
            expected[(s * m + r) * n + o] = sum;
          }
        }
      }
      const request = {
        rows: batch * m,
        args: {
          a: matrix(a, batch * m, k),
          b: matrix(b, batch * k, n),
          out: output(batch * m, n, { rowStride: n + 3 }),
        },
        scalars: [batch, m, n, k, m * k, k, 1, transposed ? 0 : k * n, bRow, bColumn, m * (n + 3), n + 3],
        grid: [n, m, batch],
      } as const;
      const { out } = await runLaunch(devices().one!, definition, request);
      expectClose(out, expected, n, { absolute: 1e-5, relative: 1e-5 });
      expect((await runLaunch(devices().two!, definition, request)).out).toEqual(out);
    }
  });
});
