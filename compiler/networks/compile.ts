import type { ByteReader } from "../../ir/constant/constant.js";
import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import type { Target } from "../../targets/index.js";
import { manifestMemory, planSize, type SizePlan } from "../account/size-plan.js";
import type { NetworkContents } from "../bundle/write.js";
import type { GenerateOptions } from "../codegen/generate-kernels.js";
import { compileGraph, type Planned, planGraph, portTypesOf } from "../compile-graph.js";
import type { Drawing } from "../drawing.js";
import { printResolution, type Resolution } from "../resolutions.js";
import { formatBytes } from "../units.js";
import type { NetworkName, NetworkPart } from "./part.js";
import { asStored, type TextWeights } from "./text-weights.js";
import { tilesFor } from "./tiles.js";

export interface NetworkStages {
  readonly target: Target;
  /** The pictures that the pipeline is planned for. */
  readonly drawing: Drawing;
  /** Bytes that a program may take on the device; null for any number. */
  readonly limitBytes: number | null;
  /** What text encoders' weights are held in; see `asStored` for what they are if absent. */
  readonly textWeights?: TextWeights | undefined;
  /** How kernels are made, of a network by name. */
  readonly codegen: (name: NetworkName) => Omit<GenerateOptions, "target">;
}

/** A network's kernels, and what it takes at each planned picture. */
export interface CompiledNetwork extends NetworkContents {
  /** What the device holds the weights of its linears in. */
  readonly held: TextWeights;
  /** Side of the tiles, in pixels, where it has no room for whole pictures. */
  readonly tilePixels: number | null;
  readonly plans: readonly SizePlan[];
  /** The most that it takes, in bytes. */
  readonly peakBytes: number;
}

/** Rows of networks are not made smaller: what they compute is what all steps begin from. */
const OPTIONS = { ternarize: "none", activations: "f32", storage: "trits" } as const;

/**
 * Compiles a network of a pipeline for the pictures of a drawing; no weight is read. Throws the errors of its `build`, of the
 * passes, TRITC_E_UNSUPPORTED_OP, TRITC_E_BUFFER_LIMIT and TRITC_E_DEVICE_MEMORY.
 */
export async function compileNetwork(
  part: NetworkPart,
  reader: ByteReader,
  { target, drawing, limitBytes, textWeights, codegen }: NetworkStages,
): Promise<CompiledNetwork> {
  const graph = part.build();
  const isText = part.name === "text_encoder" || part.name === "text_encoder_2";
  const held = isText ? (textWeights ?? asStored(graph)) : "f32";
  const { textLength } = drawing.sampling;
  const whole = drawing.resolutions.map((resolution) =>
    part.sizes({ textTokens: textLength, ...pictureOf(part.name, drawing, resolution) }),
  );
  const stagesOf = (sizes: readonly Bindings[]) => ({
    target,
    options: { ternarize: OPTIONS.ternarize, activations: OPTIONS.activations, weights: held },
    sizes: largest(sizes),
    planned: sizes,
    batchAxes: new Map(),
    dtypes: portTypesOf(graph),
  });
  const check = ({ lowered: { program } }: Planned, sizes: readonly Bindings[]) => {
    const plans = drawing.resolutions.map((resolution, i) =>
      planSize(program, target, resolution, sizes[i] ?? {}, null),
    );
    checkMemory(part.name, target, plans, limitBytes);
    return plans;
  };
  const { tiles, sizes } = tilesFor(part.tiling, whole, (tried) => {
    check(planGraph(graph, reader, stagesOf(tried)), tried);
  });
  let plans: readonly SizePlan[] = [];
  const compiled = await compileGraph(graph, reader, {
    ...stagesOf(sizes),
    onPlan: (planned) => {
      plans = check(planned, sizes);
    },
    codegen: codegen(part.name),
  });
  return {
    ...compiled,
    name: part.name,
    held,
    tiles,
    tilePixels: tiles === undefined ? null : tiles.latents * (part.tiling?.pixels ?? 1),
    options: OPTIONS,
    drawing: null,
    memory: manifestMemory(plans, limitBytes, "keep"),
    plans,
    peakBytes: Math.max(0, ...plans.map(peakOf)),
  };
}

/** The largest picture that a network is given: the encoder of a VAE encodes pictures to draw after, too. */
function pictureOf(name: NetworkName, { reference }: Drawing, { width, height }: Resolution): Resolution {
  if (name !== "vae_encoder" || reference === undefined) return { width, height };
  return { width: Math.max(width, reference.width), height: Math.max(height, reference.height) };
}

/** Sizes that none exceeds. */
function largest(sizes: readonly Bindings[]): Bindings {
  const most: Record<string, number> = {};
  for (const [name, size] of sizes.flatMap((at) => Object.entries(at)))
    most[name] = Math.max(size, most[name] ?? size);
  return most;
}

function peakOf({ memory }: SizePlan): number {
  return memory.keep.peak;
}

function checkMemory(
  name: string,
  target: Target,
  plans: readonly SizePlan[],
  limitBytes: number | null,
): void {
  const [worst] = [...plans].sort((a, b) => peakOf(b) - peakOf(a));
  if (worst?.resolution == null || limitBytes === null || peakOf(worst) <= limitBytes) return;
  throw new TritcError({
    code: "TRITC_E_DEVICE_MEMORY",
    message: `the pipeline's ${name} takes more memory than the target ${target.name} has at ${printResolution(worst.resolution)}`,
    expected: `at most ${formatBytes(limitBytes)}`,
    found: `${formatBytes(peakOf(worst))}, ${formatBytes(worst.memory.keep.load.bytes)} of it while weights are loaded`,
    remedy:
      "compile for a smaller picture (--resolution), plan for a device with more memory (--memory-limit), or compile the transformer alone (--no-pipeline)",
  });
}
