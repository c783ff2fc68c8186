/** The portable runtime: runs in Node and in browsers. */

export { imageIds, latentGeometry, packLatents, textIds, unpackLatents } from "../ir/models/flux1/latents.js";
export type { SamplerName } from "../ir/sampling/rules/index.js";
export { readSchedulerConfig, type SchedulerConfig } from "../ir/sampling/scheduler-config.js";
export type { Device, KernelCode, LoadedProgram, WeightSource } from "./device.js";
export { evaluateBundle } from "./evaluate.js";
export { initialLatents, makeNoise } from "./noise.js";
export type { SampleRequest, StepProgress } from "./sample-inputs.js";
export { sample } from "./sampler.js";
export { makeSchedule, type Schedule } from "./scheduler.js";
