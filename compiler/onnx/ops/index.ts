/** The registry of the default domain: one function per ONNX operator, of the operator's name. */
export * from "./attention.js";
export * from "./control.js";
export * from "./elementwise.js";
export * from "./image.js";
export * from "./linalg.js";
export * from "./norm.js";
export * from "./quant.js";
export * from "./reduce.js";
export * from "./select.js";
export * from "./sequence.js";
export * from "./shape.js";
