/** Whole models through the compiler and the CUDA runtime, on emulated devices. */
import { afterAll, describe, expect, it } from "vitest";
import type { Compiled, CompileStages } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { interpret } from "../../ir/interpret/index.js";
import { emulated } from "../support/emulated.js";
import { compileGiven, givenTensors } from "../support/given-models.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const { target, devices } = cudaDevices("sm_86", ["forward", "shuffled"]);
const reader = fileReader();
afterAll(() => reader.close());

const MODEL = "shapes-ternary/transformer";

/** The model with modules for the emulator in place of nvcc's binaries. */
async function compiled(options: CompileStages["options"]): Promise<Compiled> {
  return emulated(await compileGiven(MODEL, reader, { target, options, codegen: { emit: "source" } }));
}

describe(MODEL, () => {
  const inputs = givenTensors(`${MODEL}/inputs.safetensors`);

  it("is what it was exported from, in f32", async () => {
    const result = await compiled({ ternarize: "none", activations: "f32" });
    const [expected] = givenTensors(`${MODEL}/expected.safetensors`).values();
    for (const device of Object.values(devices())) {
      const [found] = (await runCompiled(result, reader, device, inputs)).values();
      expect(found?.shape).toEqual(expected?.shape);
      expect(relativeError(found, expected)).toBeLessThan(1e-5);
    }
  }, 300_000);

  it.each([
    { activations: "f32", tolerance: 1e-5 },
    // Activations between the kernels are rounded to bf16, 2^-9 each time.
    { activations: "int8", tolerance: 0.02 },
    { activations: "bf16", tolerance: 0.005 },
    // With the norm and rotation of heads in the linear that computes them, as all of these.
    { activations: "int8", group: 128, tolerance: 0.02 },
  ] as const)(
    "is the interpreter's with ternary weights, every time: %o",
    async ({ tolerance, ...options }) => {
      const result = await compiled({ ternarize: "exact", ...options });
      const [wanted] = interpret(result.graph, inputs, { reader }).values();
      let before: unknown;
      for (const device of Object.values(devices())) {
        const [found] = (await runCompiled(result, reader, device, inputs)).values();
        expect(relativeError(found, wanted)).toBeLessThan(tolerance);
        if (before !== undefined) expect(found).toEqual(before);
        before = found;
      }
    },
    300_000,
  );
});
