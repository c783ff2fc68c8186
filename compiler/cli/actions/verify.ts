import { join } from "node:path";
import { TritcError } from "../../../ir/errors.js";
import { MANIFEST_FILE, type Manifest } from "../../../ir/format/manifest.js";
import type { Tensor } from "../../../ir/tensor.js";
import { evaluateBundle } from "../../../runtime/evaluate.js";
import type { OpenedBundle } from "../../../runtime/node/bundle.js";
import { checkExternalData } from "../../../runtime/node/external-data.js";
import { filesBelow } from "../../bundle/occupant.js";
import { NETWORK_NAMES } from "../../networks/part.js";
import { randomInputs } from "../../tune/random-inputs.js";
import { isTunedFor } from "../../tuning/bundle-records.js";
import { formatCount, formatDifference } from "../../units.js";
import type { HubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { modelPath } from "../model-path.js";
import type { CommonOptions, DeviceOptions } from "../options.js";
import { relativeError } from "../relative-error.js";
import { readTensors } from "../safetensors-file.js";
import { Terminal, table } from "../terminal.js";
import { nudged, toleranceOf, tryInputs } from "../try-inputs.js";
import { tryUpdates } from "../try-updates.js";

export interface VerifyOptions extends CommonOptions, DeviceOptions, HubOptions {
  readonly against?: string;
  readonly inputs?: string;
}

/** Refuses files that the manifest does not list: whoever put them there, they are not what was compiled. */
async function refuseStrangers(bundle: string, { files }: Manifest): Promise<void> {
  const listed = new Set([MANIFEST_FILE, ...files.map((file) => file.path)]);
  const stranger = (await filesBelow(bundle)).find((file) => !listed.has(file));
  if (stranger === undefined) return;
  throw new TritcError({
    code: "TRITC_E_BUNDLE_FILE",
    message: "the bundle's file is not in the manifest",
    place: `${bundle}/${stranger}`,
    remedy: "move the file out of the bundle",
  });
}

/** Random inputs of a bundle with int8 rows. */
const MOST_INPUTS = 4;

/** What operands of 11 bits, tf32 or f16, leave after the layers of a text encoder, a VAE or a transformer. */
const ROUNDED_TOLERANCE = 1e-2;

/** Samplers' updates are a few sums and products in f32. */
const UPDATES_TOLERANCE = 1e-5;

const REMEDY =
  "run `tritc doctor`; if the device is fine, please report this with the bundle's manifest.json";

/** What the kernels of a bundle differ by from its graph in the interpreter. Throws TRITC_E_VERIFY where that is too much. */
async function compareKernels(
  bundle: OpenedBundle,
  options: VerifyOptions,
  given?: ReadonlyMap<string, Tensor>,
) {
  const { evaluateFile, withLoaded } = await loaded(import("../evaluate-file.js"), options);
  const { folder, program } = bundle;
  const hasRounded = program.kernels.some(({ params }) => ["tf32", "f16"].includes(String(params.products)));
  const hasCodes = program.buffers.some(({ dtype, storage }) => dtype === "i8" && storage.kind === "arena");
  const interpreted = async (inputs: ReadonlyMap<string, Tensor>) =>
    (await evaluateFile(folder, inputs, { interpret: true })).outputs;
  const found = await tryInputs(given === undefined && hasCodes ? MOST_INPUTS : 1, async (i) => {
    const inputs = given ?? randomInputs(program, i);
    const { kernels, updates } = await withLoaded(bundle, options, async (onDevice, { description }) => ({
      kernels: { outputs: await evaluateBundle(onDevice, program, inputs), ranOn: description },
      updates: await tryUpdates(onDevice, program, inputs),
    }));
    const reference = await interpreted(inputs);
    const difference = relativeError(kernels.outputs, reference);
    const moves = async () => relativeError(await interpreted(nudged(inputs, program.inputs)), reference);
    const least = hasRounded ? ROUNDED_TOLERANCE : 0;
    const tolerance = Math.max(least, await toleranceOf(difference, hasCodes ? moves : null));
    return { difference, tolerance, inputs, kernels, updates };
  });
  const { difference, tolerance, tried, agrees, updates } = found;
  if (!agrees) {
    throw new TritcError({
      code: "TRITC_E_VERIFY",
      message: "the kernels do not compute the bundle's graph",
      place: folder,
      expected: `a relative L2 difference of at most ${formatDifference(tolerance)}`,
      found: `${formatDifference(difference)}${tried > 1 ? `; and with ${tried - 1} other inputs too` : ""}`,
      remedy: REMEDY,
    });
  }
  // Also where it is NaN.
  if (updates !== null && !(updates <= UPDATES_TOLERANCE)) {
    throw new TritcError({
      code: "TRITC_E_VERIFY",
      message: "the kernels that move the sample from step to step do not compute what the samplers say",
      place: folder,
      expected: `a relative L2 difference of at most ${formatDifference(UPDATES_TOLERANCE)}`,
      found: formatDifference(updates),
      remedy: REMEDY,
    });
  }
  return found;
}

export async function verifyBundle(path: string, options: VerifyOptions): Promise<void> {
  const { evaluateFile } = await loaded(import("../evaluate-file.js"), options);
  const { openBundle } = await import("../../../runtime/node/bundle.js");
  const bundle = await openBundle(path);
  await refuseStrangers(path, bundle.manifest);
  for (const file of bundle.manifest.files.filter((one) => one.path.endsWith(".onnx")))
    await checkExternalData(join(path, file.path));
  const against =
    options.against === undefined ? undefined : await modelPath(options.against, "transformer", options);
  const given = options.inputs === undefined ? undefined : await readTensors(options.inputs, options);
  const compared = await compareKernels(bundle, options, given);
  const { difference, tolerance, inputs, kernels, tried, updates } = compared;
  const networks: { readonly name: string; readonly difference: number; readonly tolerance: number }[] = [];
  // Of the pipeline's networks, those that are bundles of their own.
  for (const name of NETWORK_NAMES.filter((one) => bundle.has(`pipeline/${one}/${MANIFEST_FILE}`))) {
    const found = await compareKernels(await openBundle(join(path, "pipeline", name)), options);
    networks.push({ name, difference: found.difference, tolerance: found.tolerance });
  }
  const original = against === undefined ? undefined : await evaluateFile(against, inputs, {});
  const distance = original === undefined ? null : relativeError(kernels.outputs, original.outputs);
  const rows: [string, string][] = [
    ["files", `${formatCount(bundle.manifest.files.length)} intact`],
    [
      "kernels",
      `differ from the interpreter by ${formatDifference(difference)} (relative L2), on ${kernels.ranOn}`,
    ],
    ...(updates === null
      ? []
      : [["samplers", `differ from the interpreter by ${formatDifference(updates)}`] as [string, string]]),
    ...networks.map((network): [string, string] => [
      network.name,
      `differs from the interpreter by ${formatDifference(network.difference)}`,
    ]),
  ];
  if (distance !== null) {
    rows.push(["model", `differs from ${options.against} by ${formatDifference(distance)} (relative L2)`]);
  }
  const tuned = await isTunedFor(bundle, kernels.ranOn);
  new Terminal(options).summary(
    {
      files: bundle.manifest.files.length,
      kernels: { difference, tolerance, device: kernels.ranOn, tuned, tried },
      samplers: updates === null ? null : { difference: updates, tolerance: UPDATES_TOLERANCE },
      networks,
      model: distance === null ? null : { path: options.against, difference: distance },
    },
    table(rows),
  );
}
