import { describe, expect, it } from "vitest";
import { ternaryLayout } from "../../ir/families/contract/weights.js";
import { defineKernel } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import { packTrits } from "../support/gemm.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch, vector } from "../support/launch.js";
import { product } from "../support/matrix-product.js";
import { randomInts } from "../support/random.js";

const UNPACKING = '#include "cuda/ternary-fragments.cuh"';
/** Registers 1 and 2 of a fragment change places: 8 rows further and 16 k further. */
const PERMUTED = `${UNPACKING}
__device__ __forceinline__ void permutedCodes(unsigned (&a)[4], unsigned word) {
  unsigned codes[4];
  unpackCodes(codes, word);
  a[0] = codes[0];
  a[1] = codes[2];
  a[2] = codes[1];
  a[3] = codes[3];
}
#define unpackCodes permutedCodes`;

describe.each([
  ["sm_75", "ternary-gemm/int8-turing.cu.hbs"],
  ["sm_80", "ternary-gemm/int8-mma.cu.hbs"],
  ["sm_90a", "ternary-gemm/int8-hopper.cu.hbs"],
] as const)("a ternary gemm of %s", (architecture, template) => {
  const { devices, target } = cudaDevices(architecture, ["forward"]);

  it("is right, and wrong once registers of its fragments are permuted", async () => {
    const device = devices().forward!;
    const [m, n, k] = [20, 130, 256];
    const codes = Int8Array.from(randomInts(1, n * k, -1, 1));
    const q = Int8Array.from(randomInts(2, m * k, -127, 127));
    const rowSum = Int32Array.from({ length: m }, (_, r) =>
      q.subarray(r * k, (r + 1) * k).reduce((sum, x) => sum + x, 0),
    );
    const layout = { n, k, activations: "i8" } as const;
    const { weights } = await runLaunch(device, defineKernel("unpack-trits", layout, target), {
      rows: n,
      args: {
        trits: matrix(packTrits(codes, n, k), n, Math.ceil(k / 5)),
        weights: output(1, ternaryLayout(layout).words[target.language]),
      },
      grid: [n, 1, 1],
    });
    const params = { ...layout, activation: "none", bias: false, gated: false } as const;
    const definition = defineKernel("ternary-gemm", params, target);
    expect(definition.template).toBe(template);
    const run = async (change: (source: string) => string) => {
      const { out } = await runLaunch(device, definition, {
        rows: m,
        args: {
          q: matrix(q, m, k),
          rowScale: matrix(new Float32Array(m).fill(1), m, 1),
          rowSum: matrix(rowSum, m, 1),
          weights: vector(weights!),
          scales: vector(new Float32Array(n).fill(1)),
          out: output(m, n),
        },
        grid: [n, m, 1],
        source: (version) => change(renderTemplate(version.template, version.values)),
      });
      return [...out!];
    };
    const expected = product(q, codes, m, n, k);
    expect(await run((source) => source)).toEqual(expected);

    const broken = await run((source) => source.replace(UNPACKING, PERMUTED));
    const wrong = broken.filter((x, i) => x !== expected[i]).length;
    expect(wrong).toBeGreaterThan(0.9 * expected.length);
  });
});
