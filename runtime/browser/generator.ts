import { outOfRange } from "../../ir/bounds.js";
import { TritcError } from "../../ir/errors.js";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import type { Device } from "../device.js";
import { openBundleNetwork } from "../pipeline/bundle-network.js";
import { type DrawnPicture, type DrawRequest, draw } from "../pipeline/draw.js";
import type { PipelineFiles } from "../pipeline/files.js";
import { listOf } from "../pipeline/given-pictures.js";
import type { Network, NetworkName } from "../pipeline/network.js";
import { type DrawerOptions, openDrawer } from "../pipeline/open-drawer.js";
import type { Picture } from "../pipeline/picture.js";
import { openPipeline } from "../pipeline/pipeline-models.js";
import type { TokenizerHost } from "../pipeline/tokenizer.js";
import { checkRequest } from "../request.js";
import { Turns } from "../turns.js";
import type { BundleAtUrl } from "./bundle.js";

export interface PageGeneratorOptions extends DrawerOptions {
  /** `Tokenizer` of the package `@huggingface/tokenizers`: the runtime loads no package by itself. */
  readonly Tokenizer: TokenizerHost["Tokenizer"];
}

/** A bundle with its device and its own pipeline, ready to draw on a page or in a worker. */
export interface PageGenerator {
  /** Draws when the pictures asked for before are done: calls may be made at any time. TRITC_E_CLOSED after `close`. */
  generate(request: DrawRequest): Promise<DrawnPicture>;
  /** Waits for the pictures asked for, and frees what the generator holds on the device, which stays open. */
  close(): Promise<void>;
}

/**
 * Loads a bundle on its device, to draw from prompts. Text encoders and VAE are downloaded when they are first used.
 *
 * @throws TritcError `TRITC_E_NOT_A_SAMPLER`, `TRITC_E_PIPELINE_FILE` for a bundle without a whole pipeline,
 *   `TRITC_E_PIPELINE_MODEL` for one whose networks are ONNX, and those of the download and the device
 */
export async function openPageGenerator(
  bundle: BundleAtUrl,
  device: Device,
  options: PageGeneratorOptions,
): Promise<PageGenerator> {
  const files = pipelineFiles(bundle);
  const tokenizers: TokenizerHost = {
    Tokenizer: options.Tokenizer,
    // A page cannot stop itself; who wants that calls from a worker, and ends it.
    within: (_, work) => work(),
  };
  const drawer = await openDrawer(
    bundle,
    {
      ...{ place: bundle.url, files, own: true },
      device: async () => device,
      openModels: (wanted) =>
        openPipeline(files, { tokenizers, network: (name) => networkOf(bundle, device, name) }, wanted),
    },
    options,
  );
  const turns = new Turns("generator");
  return {
    async generate(request) {
      const own = { ...request };
      checkRequest(own);
      for (const name of ["control", "image", "mask"] as const) {
        for (const picture of listOf(own[name])) checkPicture(name, picture);
      }
      return turns.take(() => draw(drawer, own), own.signal);
    },
    close: () => turns.close(() => drawer.close()),
  };
}

function checkPicture(name: string, { rgb, width, height }: Picture): void {
  if (rgb.length === 3 * width * height && rgb.length > 0) return;
  throw outOfRange(name, `3 bytes of RGB for each of ${width}x${height} pixels`, `${rgb.length} bytes`);
}

/** The files of a bundle's own pipeline. */
function pipelineFiles(bundle: BundleAtUrl): PipelineFiles {
  return {
    placeOf: (path) => new URL(`pipeline/${path}`, bundle.url).href,
    has: (path) => bundle.has(`pipeline/${path}`),
    read: (path) => bundle.readFile(`pipeline/${path}`),
  };
}

function networkOf(bundle: BundleAtUrl, device: Device, name: NetworkName): Network | undefined {
  const path = `pipeline/${name}`;
  const place = new URL(path, bundle.url).href;
  if (bundle.has(`${path}/${MANIFEST_FILE}`)) {
    return {
      place,
      open: async () => openBundleNetwork(await bundle.openBelow(path), device, place),
    };
  }
  if (!bundle.has(`${path}/model.onnx`)) return undefined;
  throw new TritcError({
    code: "TRITC_E_PIPELINE_MODEL",
    message: "the network is ONNX, which the browser runtime does not run",
    place,
    expected: "a network that was compiled with the transformer",
    found: "model.onnx",
    remedy: "compile the model's whole Diffusers folder, with text encoders and VAE",
  });
}
