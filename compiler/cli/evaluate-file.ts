import type { ByteReader } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device, LoadedProgram } from "../../runtime/device.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { type OpenedBundle, openBundle } from "../../runtime/node/bundle.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { readBundleGraph } from "../bundle/read-graph.js";
import { evaluateModel } from "../evaluate.js";
import { fileReader } from "../file-reader.js";
import type { LoraReport } from "../lora/merge-plan.js";
import type { LoraRequest } from "../lora/read.js";
import { isBundle } from "./is-bundle.js";
import type { DeviceOptions } from "./options.js";

export interface EvaluateOptions extends DeviceOptions {
  readonly precision?: "f32" | "f64";
  /** A bundle's graph in the interpreter instead of its kernels. */
  readonly interpret?: boolean;
  /** A model only: adapters to merge into its weights first. */
  readonly lora?: readonly LoraRequest[];
}

export interface Evaluated {
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** What computed them, for people. */
  readonly ranOn: string;
  /** What became of each adapter. */
  readonly lora: readonly LoraReport[];
}

/** One forward pass of a model (interpreter) or of a bundle (its kernels, or the interpreter if asked). */
export async function evaluateFile(
  path: string,
  inputs: ReadonlyMap<string, Tensor>,
  options: EvaluateOptions,
): Promise<Evaluated> {
  const precision = options.precision ?? "f32";
  const bundle = isBundle(path) ? await openBundle(path) : undefined;
  if (bundle !== undefined && options.lora !== undefined) throw alreadyCompiled(path);
  if (bundle === undefined || options.interpret === true) {
    const ranOn = `the reference interpreter in ${precision}`;
    const stored = bundle === undefined ? undefined : await readBundleGraph(bundle.folder);
    const reader = stored?.reader ?? fileReader();
    try {
      // The compiler's half loads on demand: a machine that runs bundles does not have it.
      const { graph, lora } =
        stored === undefined ? await graphFor(path, inputs, options, reader) : { ...stored, lora: [] };
      return { outputs: evaluateModel(graph, inputs, { reader, precision }), ranOn, lora };
    } finally {
      reader.close();
    }
  }
  return withLoaded(bundle, options, async (loaded, { description }) => ({
    outputs: await evaluateBundle(loaded, bundle.program, inputs),
    ranOn: description,
    lora: [],
  }));
}

/** Does work with a bundle's program on its device, and closes both. */
export async function withLoaded<T>(
  { program, code, weights, manifest }: OpenedBundle,
  options: DeviceOptions,
  work: (loaded: LoadedProgram, device: Device) => Promise<T>,
): Promise<T> {
  const device = await openDevice(program.target, options);
  try {
    const { promptWeights } = manifest.memory;
    const loaded = await device.load(program, code, weights, { promptWeights });
    try {
      return await work(loaded, device);
    } finally {
      await loaded.close();
    }
  } finally {
    await device.close();
  }
}

/** A model that is given references by themselves takes them so. */
async function graphFor(
  path: string,
  inputs: ReadonlyMap<string, Tensor>,
  { lora }: EvaluateOptions,
  reader: ByteReader,
) {
  const [{ modelGraph }, { REFERENCE_LATENTS }] = await Promise.all([
    import("./model-graph.js"),
    import("../for-pipeline.js"),
  ]);
  return modelGraph(path, { lora, references: inputs.has(REFERENCE_LATENTS) }, reader);
}

function alreadyCompiled(bundle: string): TritcError {
  return new TritcError({
    code: "TRITC_E_USAGE",
    message: "an adapter cannot be merged into a bundle, whose weights are final",
    place: bundle,
    expected: "a model",
    found: "a bundle",
    remedy: "compile the model again with --lora",
    exitCode: 2,
  });
}
