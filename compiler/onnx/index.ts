export { importOnnx } from "./graph.js";
export { findOnnx } from "./locate.js";
