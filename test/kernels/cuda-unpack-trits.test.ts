import { describe, expect, it } from "vitest";
import { ternaryLayout } from "../../ir/families/contract/weights.js";
import { defineKernel } from "../../templates/index.js";
import { storedCodes } from "../support/gemm.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { output, runLaunch } from "../support/launch.js";
import { randomInts } from "../support/random.js";

const { target, devices } = cudaDevices("sm_86");

/** Where a fragment's code lies: row of its 16 and k of its 32, by lane and bit. */
const PLACES = {
  i8: (lane: number, bit: number) => {
    const [byte, register] = [bit >> 3, (bit >> 1) & 3];
    return { row: (lane >> 2) + 8 * (register & 1), k: 16 * (register >> 1) + 4 * (lane & 3) + byte };
  },
  bf16: (lane: number, bit: number) => {
    const [half, step, register] = [bit >> 4, (bit >> 3) & 1, (bit >> 1) & 3];
    return {
      row: (lane >> 2) + 8 * (register & 1),
      k: 16 * step + 8 * (register >> 1) + 2 * (lane & 3) + half,
    };
  },
} as const;

describe.each([
  { activations: "i8" },
  { activations: "bf16" },
  { activations: "i8", storage: "2bit" },
  { activations: "bf16", storage: "2bit" },
] as const)("unpack-trits %o", (of) => {
  const { activations } = of;
  it.each([
    { n: 70, k: 140 },
    { n: 64, k: 128 },
    { n: 3, k: 5 },
    // Beyond 640 codes, and 512 of 2 bits: a second turn of 128 bytes.
    { n: 17, k: 777 },
  ])("makes fragments, t = 0 beyond the matrix: $n x $k", async ({ n, k }) => {
    const codes = Int8Array.from(randomInts(n + k, n * k, -1, 1));
    const layout = { n, k, ...of };
    const count = ternaryLayout(layout).words[target.language];
    const kBlocks = Math.ceil(k / 128);
    const expected = Uint32Array.from({ length: count }, (_, i) => {
      const [j, lane, group] = [i % 4, (i >> 2) % 32, (i >> 7) % 4];
      const block = i >> 9;
      let word = 0;
      for (let bit = 0; bit < 32; bit += 2) {
        const place = PLACES[activations](lane, bit);
        const row = Math.floor(block / kBlocks) * 64 + group * 16 + place.row;
        const at = (block % kBlocks) * 128 + j * 32 + place.k;
        word |= ((row < n && at < k ? codes[row * k + at]! : 0) + 1) << bit;
      }
      return word;
    });
    for (const device of Object.values(devices())) {
      const { weights } = await runLaunch(device, defineKernel("unpack-trits", layout, target), {
        rows: n,
        args: {
          trits: storedCodes(codes, n, k, layout.storage),
          weights: output(1, count),
        },
        grid: [n, 1, 1],
      });
      expect(weights).toEqual(expected);
    }
  });
});
