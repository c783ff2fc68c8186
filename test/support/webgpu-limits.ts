import { expect } from "vitest";
import type { LoweredProgram } from "../../compiler/lower/index.js";
import type { Bindings } from "../../ir/dim.js";
import { allLaunches } from "../../ir/program/phases.js";
import { webgpu } from "../../targets/index.js";
import { bufferBytes } from "../../targets/memory/buffers.js";
import { LaunchPlanner } from "../../targets/webgpu/dispatches.js";

/** Checks what a browser at its default limits would: every buffer and, by the runtime's own plan, every binding. */
export function expectToFit({ program }: LoweredProgram, sizes: Bindings): void {
  const { maxBufferBytes, maxBindingBytes, maxWorkgroupsPerDimension } = webgpu.limits;
  for (const buffer of program.buffers) {
    expect(bufferBytes(buffer, sizes), buffer.id).toBeLessThanOrEqual(maxBufferBytes);
  }
  const planner = new LaunchPlanner(program, sizes, { maxBindingBytes, maxWorkgroupsPerDimension });
  for (const launch of allLaunches(program)) {
    const kernel = program.kernels.find(({ id }) => id === launch.kernel);
    if (kernel === undefined) throw new Error(`no kernel ${launch.kernel}`);
    for (const { bindings } of planner.plan(launch, kernel)) {
      for (const { size, buffer } of bindings) {
        expect(size, `${launch.label}: ${buffer}`).toBeLessThanOrEqual(maxBindingBytes);
      }
    }
  }
}
