import { availableParallelism } from "node:os";
import { mapParallel } from "../../compiler/codegen/parallel.js";
import type { Compiled } from "../../compiler/compile-graph.js";
import { renderTemplate } from "../../templates/render.js";
import { emulatorModule } from "./cuda-emulator.js";

/** A CUDA program, compiled to sources, with modules for the emulator in place of nvcc's binaries. */
export async function emulated(result: Compiled): Promise<Compiled> {
  const definitions = new Map(
    result.lowered.kernels.map(({ kernel, definition }) => [kernel.id, definition]),
  );
  const kernels = await mapParallel(result.kernels, availableParallelism(), async (artifact) => {
    const definition = definitions.get(artifact.id);
    if (definition === undefined) throw new Error(`no definition of ${artifact.id}`);
    const { template, values } = definition;
    return { ...artifact, binary: await emulatorModule(renderTemplate(template, values)) };
  });
  return { ...result, kernels };
}
