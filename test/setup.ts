// Runs before the tests of each file; what it imports, once in each process.
import "./support/patient-dawn.js";
import "./support/same-bytes.js";
import { vi } from "vitest";

/**
 * Dawn begins each kernel with code that zeroes its shared memory, which SwiftShader takes as long to compile as all
 * the rest. No kernel may need it, and without it a test sees one that does. Browser tests keep it.
 */
vi.mock("webgpu", async (original) => {
  const LIST = "enable-dawn-features=";
  const dawn = await original<typeof import("webgpu")>();
  const { sharing } = await import("./support/shared-webgpu.js");
  return {
    ...dawn,
    // Of two lists of features Dawn reads the last.
    create: (flags: string[]) => {
      const listed = flags.find((flag) => flag.startsWith(LIST))?.slice(LIST.length);
      const features = [...(listed === undefined ? [] : [listed]), "disable_workgroup_init"].join(",");
      return sharing(dawn.create([...flags.filter((flag) => !flag.startsWith(LIST)), `${LIST}${features}`]));
    },
  };
});
