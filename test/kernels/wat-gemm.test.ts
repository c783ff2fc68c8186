import { describe, expect, it } from "vitest";
import { denseLayout } from "../../ir/families/contract/weights.js";
import { cpu } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";
import { denseSuite } from "../support/dense-suite.js";
import { gemmSuite } from "../support/gemm-suite.js";
import { groupGemmSuite } from "../support/group-gemm-suite.js";
import { wasmDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch } from "../support/launch.js";

const wasm = wasmDevices();
gemmSuite(wasm);
denseSuite(wasm);
groupGemmSuite(wasm);

describe("unpack-dense", () => {
  it("widens half and bfloat precision, subnormals and infinities included", async () => {
    const [n, k] = [3, 8];
    const f16 = [0x3c00, 0xc000, 0x0001, 0x83ff, 0x7c00, 0xfc00, 0x3555, 0x0400];
    const values = [1, -2, 2 ** -24, -1023 * 2 ** -24, Infinity, -Infinity, 0.333251953125, 2 ** -14];
    const halves = Uint16Array.from({ length: n * k }, (_, i) => f16[(i + (i >> 3)) % 8]!);
    const words = denseLayout({ n, k }).words.wat;
    const { weights } = await runLaunch(
      wasm.devices().one!,
      defineKernel("unpack-dense", { n, k, source: "f16" }, cpu),
      {
        rows: n,
        args: { source: matrix(new Uint8Array(halves.buffer), n, 2 * k), weights: output(1, words) },
        grid: [n, 1, 1],
      },
    );
    for (let o = 0; o < n; o++) {
      for (let i = 0; i < k; i++) expect(weights![i * 8 + o]).toBe(values[(o * k + i + o) % 8]);
    }
    const x = Float32Array.from({ length: n * k }, (_, i) => i - 11.5);
    const bf16 = Uint16Array.from(new Uint32Array(x.buffer), (bits) => bits >>> 16);
    const result = await runLaunch(
      wasm.devices().one!,
      defineKernel("unpack-dense", { n, k, source: "bf16" }, cpu),
      {
        rows: n,
        args: { source: matrix(new Uint8Array(bf16.buffer), n, 2 * k), weights: output(1, words) },
        grid: [n, 1, 1],
      },
    );
    expect(result.weights![8 * 5 + 2]).toBe(x[2 * k + 5]);
  });
});
