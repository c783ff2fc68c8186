import { describe, expect, it } from "vitest";
import { denseLayout } from "../../ir/families/contract/weights.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { webgpu } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";
import { wgslDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch, vector } from "../support/launch.js";
import { pictureSuite } from "../support/picture-suite.js";
import { randomFloats } from "../support/random.js";

const wgsl = wgslDevices();
pictureSuite(wgsl);

describe("launches in pieces of rows", () => {
  const [c, n] = [4, 3];
  const k = 9 * c;
  const weights = randomFloats(1, denseLayout({ n, k }).words.wgsl);
  const bytes = 4 * weights.length;

  /** What the kernel writes on the whole, and in pieces: bindings hold the weights and little more. */
  async function both(...launch: Parameters<typeof runLaunch> extends [unknown, ...infer R] ? R : never) {
    const narrow = await createNodeWebGpuDevice({
      software: "always",
      limits: { maxBindingBytes: bytes + 512, maxWorkgroupsPerDimension: 7 },
    });
    try {
      const whole = await runLaunch(wgsl.devices().plain!, ...launch);
      return { whole: whole.out, pieces: (await runLaunch(narrow, ...launch)).out };
    } finally {
      await narrow.close();
    }
  }

  it.each([
    { stride: 1, top: 1, upsample: 1 },
    { stride: 2, top: 0, upsample: 1 },
    { stride: 1, top: 1, upsample: 2 },
  ])("see the picture's rows that they need: $stride, $upsample", async ({ stride, top, upsample }) => {
    const [height, width] = [90, 18];
    const [outHeight, outWidth] = [(height * upsample) / stride, (width * upsample) / stride];
    const rows = outHeight * outWidth;
    const size = { n, c, kernelY: 3, kernelX: 3, stride, top, left: top, upsample } as const;
    const { whole, pieces } = await both(
      defineKernel("image-conv", { ...size, bias: false, residual: true }, webgpu),
      {
        rows,
        args: {
          x: matrix(randomFloats(2, height * width * c), height * width, c, { offset: 8 }),
          weights: vector(weights),
          residual: matrix(randomFloats(3, rows * n), rows, n),
          out: output(rows, n, { rowStride: n + 1 }),
        },
        scalars: [height, width, outHeight, outWidth, 0],
        grid: [n, rows, 1],
      },
    );
    expect(height * width * c * 4).toBeGreaterThan(bytes + 512);
    expect(pieces).toEqual(whole);
  });

  it("take the moments of the rows of their parts", async () => {
    const [rows, parts] = [1620, 11];
    const { whole, pieces } = await both(defineKernel("channel-moments", { c, parts }, webgpu), {
      rows: parts,
      args: {
        x: matrix(randomFloats(4, rows * c), rows, c, { rowStride: c + 2 }),
        out: output(parts, 2 * c),
      },
      scalars: [rows, 0],
      grid: [c, parts, 1],
    });
    expect(rows * (c + 2) * 4).toBeGreaterThan(bytes + 512);
    expect(pieces).toEqual(whole);
  });
});
