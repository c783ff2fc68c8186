import { expect, it } from "vitest";
import { denseLayout } from "../../ir/families/contract/weights.js";
import type { Device } from "../../runtime/device.js";
import { defineKernel } from "../../templates/index.js";
import { expectOut } from "./expect-out.js";
import { activate, GEMM_SHAPES, product } from "./gemm.js";
import type { KernelDevices } from "./kernel-devices.js";
import { matrix, output, runLaunch, vector } from "./launch.js";
import { randomFloats } from "./random.js";
import { tf32Rounded } from "./tf32.js";

/** The dense gemm of a target and its unpacking, against sums in double precision; `products` of what operands are rounded to. */
export function denseSuite(kernelDevices: KernelDevices, products?: "tf32"): void {
  const rounded = products === undefined ? (values: Float32Array) => values : tf32Rounded;
  const { target, devices } = kernelDevices;
  const first = (): Device => Object.values(devices())[0]!;

  it.each(GEMM_SHAPES)("multiplies dense weights: $m x $n x $k", async ({ m, n, k }) => {
    const w = randomFloats(10, n * k);
    const { weights } = await runLaunch(
      first(),
      defineKernel("unpack-dense", { n, k, source: "f32" }, target),
      {
        rows: n,
        args: {
          source: matrix(new Uint8Array(w.buffer), n, 4 * k),
          weights: output(1, denseLayout({ n, k }).words[target.language]),
        },
        grid: [n, 1, 1],
      },
    );
    const x = randomFloats(11, m * k);
    const [bias, gate, residual] = [randomFloats(12, n), randomFloats(13, m * n), randomFloats(14, m * n)];
    const expected = product(rounded(x), rounded(w), m, n, k, k).map(
      (y, i) => residual[i]! + gate[i]! * activate(y + bias[i % n]!, "gelu-tanh"),
    );
    const plain = { n, k, activation: "gelu-tanh", bias: true, gated: true } as const;
    const params = products === undefined ? plain : { ...plain, products };
    const request = {
      rows: m,
      args: {
        x: matrix(x, m, k, { rowStride: k + 5, offset: 7 }),
        weights: vector(weights!),
        bias: vector(bias),
        gate: matrix(gate, m, n),
        residual: matrix(residual, m, n),
        out: output(m, n, { rowStride: n + 1 }),
      },
      grid: [n, m, 1],
    } as const;
    await expectOut(kernelDevices, defineKernel("dense-gemm", params, target), request, expected, {
      absolute: 1e-5 * Math.sqrt(k),
      relative: 1e-5,
    });
  });

  it.each(["f16", "bf16"] as const)("widens %s weights exactly", async (source) => {
    const [n, k] = [5, 7];
    // Powers of two and their negatives: exact in every format.
    const bits = source === "f16" ? [0x3c00, 0xc000, 0x3800, 0x0001] : [0x3f80, 0xc000, 0x3f00, 0x3380];
    const values = [1, -2, 0.5, 2 ** -24];
    const halves = Uint16Array.from({ length: n * k }, (_, i) => bits[i % 4]!);
    const { weights } = await runLaunch(first(), defineKernel("unpack-dense", { n, k, source }, target), {
      rows: n,
      args: {
        source: matrix(new Uint8Array(halves.buffer), n, 2 * k),
        weights: output(1, denseLayout({ n, k }).words[target.language]),
      },
      grid: [n, 1, 1],
    });
    const identity = Float32Array.from({ length: k * k }, (_, i) => (i % (k + 1) === 0 ? 1 : 0));
    const params = { n, k, activation: "none", bias: false, gated: false } as const;
    const { out } = await runLaunch(first(), defineKernel("dense-gemm", params, target), {
      rows: k,
      args: { x: matrix(identity, k, k), weights: vector(weights!), out: output(k, n) },
      grid: [n, k, 1],
    });
    // Adapters may flush subnormals of their own, but 2^-24 is none in f32.
    expect([...out!]).toEqual(
      Array.from({ length: k * n }, (_, i) => values[((i % n) * k + Math.floor(i / n)) % 4]),
    );
  });
}
