/** What `npm run build` does after tsc. */
import { chmod, lstat, rm, symlink } from "node:fs/promises";
import { resolve } from "node:path";
import { unpackModels } from "./models.js";
import { layOutSample } from "./sample-model.js";
import { vendorOnnxProto } from "./vendor-onnx-proto.js";

/** Bundles that lie in the checkout import `tritc`: it is the checkout, linked where an installation would be. */
async function linkSelf(): Promise<void> {
  if ((await lstat("node_modules")).isSymbolicLink()) return;
  await rm("node_modules/tritc", { force: true });
  await symlink(process.platform === "win32" ? resolve(".") : "..", "node_modules/tritc", "junction");
}

await chmod("dist/compiler/cli/main.js", 0o755);
await vendorOnnxProto("dist");
await unpackModels("test/models");
await layOutSample("test/models", "dist/sample-model");
await linkSelf();
