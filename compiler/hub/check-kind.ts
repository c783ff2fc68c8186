import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { readJsonObject } from "../checkpoint/json-file.js";
import { MODEL_FAMILIES } from "../models/index.js";

const CONFIG = /^(?:(?:transformer|transformer-packed-mflux)\/)?config\.json$/;

/**
 * Refuses another kind of model by its settings, which are small, before its weights, which are not, are downloaded.
 * Throws TRITC_E_HUB_FILES, and TRITC_E_CHECKPOINT for settings that are no JSON.
 */
export function checkKind(snapshot: string, files: readonly string[], page: string): void {
  if (files.some((path) => path.endsWith(".onnx"))) return;
  const path = files.find((each) => CONFIG.test(each));
  if (path === undefined) return;
  const config = join(snapshot, path);
  if (MODEL_FAMILIES.some(({ ownsConfig }) => ownsConfig(config))) return;
  const settings = readJsonObject(config);
  const kind = settings.get("_class_name") ?? settings.get("model_type");
  throw new TritcError({
    code: "TRITC_E_HUB_FILES",
    message: "the repository holds another kind of model",
    place: `${page}, ${path}`,
    expected: "a FLUX.1, FLUX.2 or Chroma transformer",
    found: typeof kind === "string" ? kind : "no _class_name",
    remedy: "name a repository with such a transformer",
  });
}
