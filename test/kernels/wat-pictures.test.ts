import { expect, it } from "vitest";
import { winogradLayout } from "../../ir/families/contract/weights.js";
import { cpu } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";
import { bfloatBytes, bfloatRounded } from "../support/bfloat.js";
import { wasmDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch } from "../support/launch.js";
import { pictureSuite } from "../support/picture-suite.js";
import { randomFloats } from "../support/random.js";

const wasm = wasmDevices();
pictureSuite(wasm);

it("transforms filters of every type alike", async () => {
  const [n, k] = [11, 9 * 32];
  const w = bfloatRounded(randomFloats(1, n * k));
  const bytes = { f32: new Uint8Array(w.slice().buffer), bf16: bfloatBytes(w) };
  const results = await Promise.all(
    (["f32", "bf16"] as const).map(async (source) => {
      const { weights } = await runLaunch(
        wasm.devices().one!,
        defineKernel("unpack-dense", { n, k, source, winograd: true }, cpu),
        {
          rows: n,
          args: {
            source: matrix(bytes[source], 1, bytes[source].length),
            weights: output(1, winogradLayout({ n, k }).words.wat),
          },
          grid: [n, 1, 1],
        },
      );
      return weights!;
    }),
  );
  expect(results[1]).toEqual(results[0]);
  // The first product of a filter is its first tap, the last one its last.
  const at = (product: number, channel: number, filter: number) =>
    results[0]![(product * 2 + Math.floor(filter / 8)) * 256 + channel * 8 + (filter % 8)];
  expect([at(0, 5, 9), at(35, 31, 10)]).toEqual([w[9 * k + 5], w[10 * k + 8 * 32 + 31]]);
  expect(at(35, 0, 11)).toBe(0);
});
