/** The registry of the default domain: one function per ONNX operator, of the operator's name. */
export * from "./attention.js";
export * from "./control.js";
export * from "./elementwise.js";
export * from "./gather.js";
export * from "./images.js";
export * from "./linalg.js";
export * from "./norms.js";
export * from "./quantized.js";
export * from "./reductions.js";
export * from "./sequences.js";
export * from "./shapes.js";
