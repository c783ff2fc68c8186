import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { type Residency, residencyFor } from "../../ir/program/residency.js";
import type { Bundle } from "../bundle.js";
import type { Device, LoadedProgram } from "../device.js";
import { notASampler, requireSampler } from "../sampler.js";
import { asPipelineSays, type Drawer, notFiniteRemedy } from "./draw.js";
import type { PipelineFiles } from "./files.js";
import { stagesOf } from "./network-memory.js";
import type { OpenPipelineOptions, PipelineModels } from "./pipeline-models.js";
import { roomForBoth } from "./room-for-both.js";

export interface DrawerOptions {
  /**
   * Whether weights that only a prompt reads stay on the device, or are read again for each prompt; what the bundle was
   * compiled for if absent.
   */
  readonly promptWeights?: PromptWeightsPolicy | undefined;
  /**
   * What stays on the device while a picture is drawn; if absent, what keeps most in the memory that the bundle was compiled
   * for. Networks in ONNX Runtime take no memory there.
   */
  readonly residency?: Residency | undefined;
}

/** What a bundle draws with. */
export interface DrawerHost {
  /** Where the bundle lies, for messages. */
  readonly place: string;
  /** The pipeline's files. */
  readonly files: PipelineFiles;
  /** Whether the pipeline is the bundle's own. */
  readonly own: boolean;
  /** The device of the bundle's target, which the host closes; opened after the pipeline, which is the first to lack something. */
  device(): Promise<Device>;
  openModels(options: OpenPipelineOptions): Promise<PipelineModels>;
}

/** Gets a bundle ready to draw. Throws TRITC_E_NOT_A_SAMPLER, and what pipeline and device throw. */
export async function openDrawer(
  bundle: Bundle,
  host: DrawerHost,
  options: DrawerOptions = {},
): Promise<Drawer> {
  const { place, files, own } = host;
  const { program, code, weights, manifest } = bundle;
  const model = requireSampler(program, place);
  const { sampling, memory } = manifest;
  const [size] = manifest.resolutions;
  if (sampling === null || size === undefined)
    throw new Error("a manifest with a model says how it is sampled");
  const { condition } = sampling;
  if (condition === null) {
    const { inChannels, outChannels } = model;
    throw notASampler(
      `${inChannels} channels of latents in, ${outChannels} out, as no known model has`,
      place,
    );
  }
  const stages = await stagesOf(manifest, files);
  const residency = options.residency ?? residencyFor(stages, memory.limitBytes);
  const models = await host.openModels({
    networks: residency === "keep" ? "keep" : "close",
    pictures: condition === "control" || condition === "fill",
    model,
  });
  try {
    const device = await host.device();
    const { promptWeights = memory.promptWeights } = options;
    const said = { sampling, condition };
    const resident = await Resident.open(
      () => device.load(program, code, weights, { promptWeights }),
      residency,
    );
    return {
      ...{ place, program, models, model, size, own },
      ...(own ? said : asPipelineSays({ ...said, model }, models)),
      remedy: notFiniteRemedy(manifest.options.activations),
      roomForBoth: roomForBoth(bundle, stages, residency),
      withProgram: (use) => resident.use(use),
      async close() {
        await models.close();
        await resident.close();
      },
    };
  } catch (error) {
    await models.close();
    throw error;
  }
}

/** The transformer's program, on the device for good or each time that it is used. */
class Resident {
  private constructor(
    private readonly load: () => Promise<LoadedProgram>,
    private readonly kept: LoadedProgram | undefined,
  ) {}

  static async open(load: () => Promise<LoadedProgram>, residency: Residency): Promise<Resident> {
    return new Resident(load, residency === "alone" ? undefined : await load());
  }

  async use<T>(use: (loaded: LoadedProgram) => Promise<T>): Promise<T> {
    if (this.kept !== undefined) return use(this.kept);
    const loaded = await this.load();
    try {
      return await use(loaded);
    } finally {
      await loaded.close();
    }
  }

  async close(): Promise<void> {
    await this.kept?.close();
  }
}
