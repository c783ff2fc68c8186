import { createRequire } from "node:module";
import type Protobuf from "protobufjs/minimal.js";

/**
 * The protobufjs that onnx-proto itself uses. An installation may hold several copies (onnx-proto asks for an older
 * major version), and a decoder takes only the `Reader` of its own copy.
 */
export const protobuf: typeof Protobuf = createRequire(createRequire(import.meta.url).resolve("onnx-proto"))(
  "protobufjs/minimal",
);
