/** A pipeline's folder in Node: ONNX networks run in ONNX Runtime, compiled ones on a device. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import type { Device } from "../device.js";
import { openBundleNetwork } from "../pipeline/bundle-network.js";
import type { Network, NetworkName, OpenNetwork } from "../pipeline/network.js";
import { type OpenPipelineOptions, openPipeline, type PipelineModels } from "../pipeline/pipeline-models.js";
import { type OpenedBundle, openBundle } from "./bundle.js";
import { type OpenDeviceOptions, openDevice } from "./open-device.js";
import { openOrtSession } from "./ort-session.js";
import { folderFiles } from "./pipeline-folder.js";
import { tokenizers } from "./tokenizer.js";

export type { EncodedPrompt, PipelineModels, TextLength } from "../pipeline/pipeline-models.js";

/** `threads` are also those of ONNX Runtime; what opens devices is for networks of targets that nobody opened one for. */
export interface PipelineModelsOptions extends OpenPipelineOptions, OpenDeviceOptions {
  /** The bundle whose `pipeline/` the folder is. Files are held against its manifest once more before they are opened by path. */
  readonly bundle?: OpenedBundle | undefined;
  /** The device of a target that is opened by the time a network is: networks compiled for that target run there. */
  readonly host?: { readonly target: string; device(): Promise<Device> } | undefined;
}

/** Opens a pipeline's folder; see `openPipeline`. */
export async function openPipelineModels(
  directory: string,
  options: PipelineModelsOptions = {},
): Promise<PipelineModels> {
  const devices = new Devices(options);
  const network = (name: NetworkName): Network | undefined => {
    const onnx = join(directory, name, "model.onnx");
    const place = join(directory, name);
    if (existsSync(join(place, MANIFEST_FILE))) return { place, open: () => openBelow(name, place) };
    if (!existsSync(onnx)) return undefined;
    return {
      place: onnx,
      async open() {
        await options.bundle?.checkBelow("pipeline");
        return openOrtSession(onnx, { threads: options.threads });
      },
    };
  };
  const openBelow = async (name: NetworkName, place: string): Promise<OpenNetwork> => {
    const below = `pipeline/${name}`;
    await options.bundle?.checkBelow(below);
    const bundle = await (options.bundle?.openBelow(below) ?? openBundle(place));
    return openBundleNetwork(bundle, await devices.of(bundle.program.target), place);
  };
  const models = await openPipeline(folderFiles(directory), { tokenizers, network }, options);
  return {
    ...models,
    async close() {
      await models.close();
      await devices.close();
    },
  };
}

/** Devices by target, each opened when it is first needed. */
class Devices {
  readonly #opened = new Map<string, Promise<Device>>();

  constructor(private readonly options: PipelineModelsOptions) {}

  of(target: string): Promise<Device> {
    const { host } = this.options;
    if (host?.target === target) return host.device();
    const device = this.#opened.get(target) ?? openDevice(target, this.options);
    this.#opened.set(target, device);
    return device;
  }

  async close(): Promise<void> {
    for (const device of await Promise.allSettled(this.#opened.values())) {
      if (device.status === "fulfilled") await device.value.close();
    }
    this.#opened.clear();
  }
}
