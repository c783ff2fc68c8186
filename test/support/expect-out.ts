import { expect } from "vitest";
import type { KernelDefinition } from "../../templates/index.js";
import { expectClose, type Tolerance } from "./compare.js";
import type { KernelDevices } from "./kernel-devices.js";
import { type Data, type LaunchRequest, runLaunch } from "./launch.js";

/** Runs the kernel on every device and compares what it writes to `out`, of the grid's columns. */
export async function expectOut(
  { devices, sameBits }: KernelDevices,
  definition: KernelDefinition,
  request: LaunchRequest,
  expected: ArrayLike<number>,
  tolerance?: Tolerance,
): Promise<void> {
  let before: Data | undefined;
  for (const device of Object.values(devices())) {
    const { out } = await runLaunch(device, definition, request);
    expectClose(out, expected, request.grid[0], tolerance);
    if (sameBits && before !== undefined) expect(out).toEqual(before);
    before = out;
  }
}
