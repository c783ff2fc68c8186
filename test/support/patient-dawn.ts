import { vi } from "vitest";

/**
 * Dawn asks the driver for what is done on every turn of the event loop, by `setImmediate` with a native function: a
 * processor that the software adapter's threads want. Here it asks once a millisecond.
 */
const immediately = globalThis.setImmediate;
const isNative = (callback: unknown) => /\{\s*\[native code\]\s*\}$/.test(String(callback));

globalThis.setImmediate = Object.assign(
  (callback: () => void, ...args: []) =>
    isNative(callback) ? setTimeout(callback, 1) : immediately(callback, ...args),
  immediately,
) as typeof setImmediate;

/**
 * Dawn begins each kernel with code that zeroes its shared memory, which SwiftShader takes as long to compile as all
 * the rest. No kernel may need it, and without it a test sees one that does. Browser tests keep it.
 */
vi.mock("webgpu", async (original) => {
  const dawn = await original<typeof import("webgpu")>();
  return {
    ...dawn,
    create: (flags: string[]) => dawn.create([...flags, "enable-dawn-features=disable_workgroup_init"]),
  };
});
