/** The compiler as a library: what the command line does, for programs. */
export { TritcError } from "../ir/errors.js";
export { type Activations, TARGETS, type Target, type TargetLimits, targetByName } from "../targets/index.js";
export {
  type CompileOptions,
  type CompileProgress,
  type CompileReport,
  compileModel,
  type Resolution,
} from "./compile.js";
export { importAndRecognize } from "./compile-graph.js";
export { type FileReader, fileReader } from "./file-reader.js";
export {
  type HubModel,
  type HubModelOptions,
  type HubReference,
  type HubSettings,
  hubModel,
  hubReference,
  hubSettings,
} from "./hub/index.js";
export { importModel } from "./import-model.js";
export { type Inspection, inspectGraph, type LinearGroup } from "./inspect.js";
export type { LoraReport } from "./lora/merge-plan.js";
export type { LoraRequest } from "./lora/read.js";
export {
  type ExportOptions,
  type ExportReport,
  exportOnnx,
  type WeightForm,
  type WeightType,
} from "./onnx-export/index.js";
export type { Ternarize } from "./pass.js";
export { type SampleModelReport, writeSampleModel } from "./sample-model.js";
