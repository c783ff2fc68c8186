export { importOnnx } from "./graph.js";
