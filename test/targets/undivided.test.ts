/** WebGPU cuts launches of many rows into several; kernels that count a query's place in the text take all rows at once. */
import { expect, it } from "vitest";
import { phasesWith } from "../../ir/program/phases.js";
import type { Kernel, Launch, Program } from "../../ir/program/program.js";
import { webgpu } from "../../targets/index.js";
import { LaunchPlanner } from "../../targets/webgpu/dispatches.js";
import { defineKernel } from "../../templates/index.js";

function planned(causal: boolean, rows: number) {
  const definition = defineKernel("attention", { heads: 1, headDim: 4, scale: 1, causal }, webgpu);
  const kernel: Kernel = { ...definition.kernel, id: "k", fallback: null };
  const launch: Launch = {
    kernel: "k",
    rows,
    args: ["q", "k", "v", "out"].map((buffer) => ({ buffer, offset: 0, rowStride: 4, stepStride: 0 })),
    scalars: [rows],
    grid: [
      { size: 1, tile: 1 },
      { size: rows, tile: definition.tile[1] },
      { size: 1, tile: 1 },
    ],
    label: "attention",
  };
  const program: Program = {
    target: "webgpu",
    symbols: [],
    buffers: launch.args.map(({ buffer }) => ({
      id: buffer,
      dtype: "f32",
      elements: 4 * rows,
      storage: { kind: "host" },
    })),
    kernels: [kernel],
    phases: phasesWith({ load: [], prompt: [], step: [launch], euler: [] }),
    inputs: [],
    outputs: [],
    model: null,
  };
  return new LaunchPlanner(program, {}, webgpu.limits).plan(launch, kernel);
}

it("cuts the rows of attention where they are too many workgroups, but not where their order counts", () => {
  const rows = 32 * 65_535 + 1;
  expect(planned(false, rows)).toHaveLength(2);
  expect(planned(true, rows - 1)).toHaveLength(1);
  expect(() => planned(true, rows)).toThrow(expect.objectContaining({ code: "TRITC_E_WEBGPU_LIMIT" }));
});
