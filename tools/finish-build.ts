/** What `npm run build` does after tsc. */
import { chmod } from "node:fs/promises";
import { layOutSample, unpackModels } from "./models.js";
import { vendorOnnxProto } from "./vendor-onnx-proto.js";

await chmod("dist/compiler/cli/main.js", 0o755);
await vendorOnnxProto("dist");
await unpackModels("test/models");
await layOutSample("test/models", "dist/sample-model");
