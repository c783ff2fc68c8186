// Runs before the tests of each file; what it imports, once in each process.
import "./support/patient-dawn.js";
import "./support/same-bytes.js";
import { vi } from "vitest";

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
