import type { ByteReader } from "../../ir/constant/constant.js";
import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import type { VaeTiles } from "../../ir/format/vae-tiles.js";
import type { NetworkProducts, Target } from "../../targets/index.js";
import type { Measured } from "../../templates/index.js";
import { manifestMemory, planSize, type SizePlan } from "../account/size-plan.js";
import type { NetworkContents } from "../bundle/write.js";
import type { GenerateOptions } from "../codegen/generate-kernels.js";
import { compileGraph, type Planned, planGraph, portTypesOf } from "../compile-graph.js";
import type { Drawing } from "../drawing.js";
import { layoutWeights } from "../pack/weights-file.js";
import { printResolution, type Resolution } from "../resolutions.js";
import { formatBytes } from "../units.js";
import type { NetworkName, NetworkPart } from "./part.js";
import { asStored, type TextWeights } from "./text-weights.js";
import { tilesFor } from "./tiles.js";

export interface NetworkPlanning {
  readonly target: Target;
  /** The pictures that the pipeline is planned for. */
  readonly drawing: Drawing;
  /** Bytes that a program may take on the device; null for any number. */
  readonly limitBytes: number | null;
  /** What text encoders' weights are held in; see `asStored` for what they are if absent. */
  readonly textWeights?: TextWeights | undefined;
  /** See `LoweringOptions`. */
  readonly measured?: Measured | undefined;
  /** What matrices and convolutions multiply; the target's default if absent. */
  readonly networkProducts?: NetworkProducts | undefined;
}

export interface NetworkStages extends NetworkPlanning {
  /** How kernels are made, of a network by name. */
  readonly codegen: (name: NetworkName) => Omit<GenerateOptions, "target">;
}

/** What a network takes at each planned picture. */
export interface PlannedNetwork {
  readonly name: NetworkName;
  /** What the device holds the weights of its linears in. */
  readonly held: TextWeights;
  /** Side of the tiles, in pixels, where it has no room for whole pictures. */
  readonly tilePixels: number | null;
  readonly plans: readonly SizePlan[];
  /** The most that it takes, in bytes. */
  readonly peakBytes: number;
}

/** A network's kernels, and what it takes. */
export interface CompiledNetwork extends NetworkContents, PlannedNetwork {}

/** Rows of networks are not made smaller: what they compute is what all steps begin from. */
const OPTIONS = { ternarize: "none", activations: "f32", storage: "trits" } as const;

/**
 * Compiles a network of a pipeline for the pictures of a drawing; no weight is read. Throws the errors of its `build`, of the
 * passes, TRITC_E_UNSUPPORTED_OP, TRITC_E_BUFFER_LIMIT and TRITC_E_DEVICE_MEMORY.
 */
export async function compileNetwork(
  part: NetworkPart,
  reader: ByteReader,
  { codegen, ...planning }: NetworkStages,
): Promise<CompiledNetwork> {
  const { target, limitBytes } = planning;
  const { graph, stages, tiles, held } = stagesOf(part, reader, planning);
  let plans: readonly SizePlan[] = [];
  const compiled = await compileGraph(graph, reader, {
    ...stages,
    onPlan: (planned) => {
      plans = plansOf(planned, planning, stages.planned);
      checkMemory(part.name, target, plans, limitBytes);
    },
    codegen: codegen(part.name),
  });
  return {
    ...compiled,
    ...networkPlan(part, held, tiles, plans),
    tiles,
    options: OPTIONS,
    drawing: null,
    memory: manifestMemory(plans, limitBytes, "keep"),
  };
}

/** What a network would take, whether or not a device has it; and the bytes of its weight file. Throws as `compileNetwork` but for memory. */
export function planNetwork(
  part: NetworkPart,
  reader: ByteReader,
  planning: NetworkPlanning,
): PlannedNetwork & { readonly weightBytes: number } {
  const { graph, stages, tiles, held } = stagesOf(part, reader, planning);
  const planned = planGraph(graph, reader, stages);
  const plans = plansOf(planned, planning, stages.planned);
  const weightBytes = layoutWeights(planned.lowered.tensors).fileBytes;
  return { ...networkPlan(part, held, tiles, plans), weightBytes };
}

/** How a network is compiled: with whole pictures, or in the largest tiles that there is room for. */
function stagesOf(part: NetworkPart, reader: ByteReader, planning: NetworkPlanning) {
  const { target, drawing, limitBytes, textWeights, measured } = planning;
  const { networkProducts: products = target.networkProducts[0] } = planning;
  const graph = part.build();
  const isText = part.name === "text_encoder" || part.name === "text_encoder_2";
  const held = isText ? (textWeights ?? asStored(graph)) : "f32";
  const { textLength } = drawing.sampling;
  const whole = drawing.resolutions.map((resolution) =>
    part.sizes({ textTokens: textLength, ...pictureOf(part.name, drawing, resolution) }),
  );
  const at = (sizes: readonly Bindings[]) => ({
    target,
    options: { ternarize: OPTIONS.ternarize, activations: OPTIONS.activations, weights: held },
    sizes: largest(sizes),
    planned: sizes,
    batchAxes: new Map(),
    dtypes: portTypesOf(graph),
    measured,
    products: products === "tf32" ? products : undefined,
  });
  const { tiles, sizes } = tilesFor(part.tiling, whole, (tried) => {
    const plans = plansOf(planGraph(graph, reader, at(tried)), planning, tried);
    checkMemory(part.name, target, plans, limitBytes);
  });
  return { graph, held, tiles, stages: at(sizes) };
}

function plansOf(
  { lowered: { program } }: Planned,
  { drawing, target }: NetworkPlanning,
  sizes: readonly Bindings[],
): readonly SizePlan[] {
  return drawing.resolutions.map((resolution, i) =>
    planSize(program, target, resolution, sizes[i] ?? {}, null),
  );
}

function networkPlan(
  { name, tiling }: NetworkPart,
  held: TextWeights,
  tiles: VaeTiles | undefined,
  plans: readonly SizePlan[],
): PlannedNetwork {
  return {
    ...{ name, held, plans },
    tilePixels: tiles === undefined ? null : tiles.latents * (tiling?.pixels ?? 1),
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
