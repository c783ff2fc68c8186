/** Kernels of rows that add over subgroups, against those that do not: sums of codes to the bit, floats nearly. */
import { expect, it } from "vitest";
import { lanesFeature, SUBGROUP_LANES } from "../../ir/families/launch/features.js";
import type { Device } from "../../runtime/device.js";
import { webgpu } from "../../targets/index.js";
import { defineKernel, type Family, type FamilyParams } from "../../templates/index.js";
import { expectClose } from "../support/compare.js";
import { kernelOf } from "../support/gemm-candidates.js";
import { wgslDevices } from "../support/kernel-devices.js";
import { type LaunchRequest, matrix, output, runLaunch, vector } from "../support/launch.js";
import { randomFloats } from "../support/random.js";

const { devices } = wgslDevices();

/** SwiftShader's have 4 invocations. */
function lanesOf(device: Device): number {
  const lanes = SUBGROUP_LANES.find((count) => device.has(lanesFeature(count)));
  if (lanes === undefined) throw new Error("the device has subgroups of several sizes, or none");
  return lanes;
}

async function check<F extends Family>(
  family: F,
  params: FamilyParams[F],
  request: LaunchRequest,
): Promise<void> {
  const device = devices().hardware!;
  const before = await runLaunch(device, defineKernel(family, params, webgpu), request);
  for (const threads of [64, 128] as const) {
    const config = { variant: "subgroup", threads, lanes: lanesOf(device) };
    const definition = kernelOf(family, params, config);
    expect(definition.kernel.features).toEqual([lanesFeature(config.lanes)]);
    const after = await runLaunch(device, definition, request);
    for (const [name, values] of Object.entries(before)) {
      const isFloat = values instanceof Float32Array && family !== "quantize-rows";
      if (isFloat) expectClose(after[name], values, values.length, { absolute: 2e-6, relative: 2e-6 });
      else if (family === "quantize-rows") expect(after[name]).toEqual(values);
      // A code lies at a tie where the moments differ by a rounding.
      else expectClose(after[name], values, values.length, { absolute: name === "q" ? 1 : 3 });
    }
  }
}

const M = 3;
it.each([4, 137, 300])("rows of %i channels", async (c) => {
  const kPad = Math.ceil(c / 16) * 16;
  const x = matrix(randomFloats(c, M * c, 3), M, c, { rowStride: c + 3, offset: 5 });
  const [scale, shift] = [vector(randomFloats(1, c)), vector(randomFloats(2, c))];
  const out = output(M, c, { rowStride: c + 1 });
  const grid = [1, M, 1] as const;
  const epsilon = 1e-6;
  const codes = {
    q: output(M, kPad, { rowStride: kPad + 16 }),
    rowScale: output(M, 1),
    rowSum: output(M, 1),
  };
  await check("quantize-rows", { c }, { rows: M, args: { x, ...codes }, grid });
  await check("adaln", { c, epsilon }, { rows: M, args: { x, shift, scale, out }, grid });
  await check("adaln-quantize", { c, epsilon }, { rows: M, args: { x, shift, scale, ...codes }, grid });
  await check(
    "layer-norm",
    { c, epsilon, scale: true, bias: true },
    { rows: M, args: { x, scale, bias: shift, out }, grid },
  );
});

it.each([
  { heads: 5, headDim: 20 },
  { heads: 1, headDim: 130 },
])("heads: %o", async ({ heads, headDim }) => {
  const c = heads * headDim;
  const args = {
    x: matrix(randomFloats(3, M * c, 2), M, c, { rowStride: c + 2, offset: 3 }),
    weight: vector(randomFloats(4, headDim)),
    cos: matrix(randomFloats(5, (M * headDim) / 2), M, headDim / 2),
    sin: matrix(randomFloats(6, (M * headDim) / 2), M, headDim / 2),
    out: output(M, c),
  };
  const params = { heads, headDim, norm: true, epsilon: 1e-6, weight: true, rope: true };
  await check("qk-norm-rope", params, { rows: M, args, grid: [1, M, 1] });
});

it("are of no device whose subgroups nobody knows", () => {
  const { choices } = defineKernel("quantize-rows", { c: 64 }, webgpu, [64]);
  expect(choices.map(({ config }) => config.variant)).not.toContain("subgroup");
});
