/** The runtime in browsers: bundles by URL, devices, and everything of the portable runtime. */
export { parseSafetensors, serialize as serializeSafetensors } from "../../ir/format/safetensors.js";
export type { Tensor } from "../../ir/tensor.js";
export * from "../index.js";
export type { DrawnPicture, DrawRequest } from "../pipeline/draw.js";
export type { Picture } from "../pipeline/picture.js";
export { type BundleAtUrl, openBundleUrl } from "./bundle.js";
export { type BrowserDeviceOptions, browserTargets, openBrowserDevice } from "./device.js";
export { openPageGenerator, type PageGenerator, type PageGeneratorOptions } from "./generator.js";
export type { DownloadOptions, DownloadProgress } from "./url-files.js";
