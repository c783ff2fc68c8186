import type { HostileCase } from "./hostile/case.js";
import { FILE_CASES } from "./hostile/files.js";
import { GRAPH_CASES } from "./hostile/graphs.js";
import { TENSOR_CASES } from "./hostile/tensors.js";

export type { HostileCase } from "./hostile/case.js";

/** Broken models, each with the error it must give. */
export const HOSTILE_ONNX: readonly HostileCase[] = [...FILE_CASES, ...TENSOR_CASES, ...GRAPH_CASES];
