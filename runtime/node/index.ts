/** The runtime in Node: bundles from disk, devices, the text-to-image pipeline. */
export type { Tensor } from "../../ir/tensor.js";
export type { Picture } from "../pipeline/picture.js";
export { evaluateFolder, type OpenedBundle, openBundle } from "./bundle.js";
export {
  type GeneratedPicture,
  type GenerateOptions,
  type Generator,
  type GeneratorOptions,
  openGenerator,
} from "./generate.js";
export { composeGrid } from "./grid.js";
export { type OpenDeviceOptions, openDevice } from "./open-device.js";
export { type EncodedPrompt, openPipelineModels } from "./pipeline-models.js";
export { decodePng, encodePng } from "./png.js";
