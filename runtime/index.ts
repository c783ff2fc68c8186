/** The portable runtime: runs in Node and in browsers. */
export { readSchedulerConfig, type SchedulerConfig } from "../ir/sampling/scheduler-config.js";
export type { Device, KernelCode, LoadedProgram, WeightSource } from "./device.js";
export { evaluateBundle } from "./evaluate.js";
export { imageIds, initialLatents, latentGeometry, packLatents, textIds, unpackLatents } from "./latents.js";
export { makeNoise } from "./noise.js";
export { type SampleRequest, type StepProgress, sample } from "./sampler.js";
export { makeSchedule, type Schedule } from "./scheduler.js";
