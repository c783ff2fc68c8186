import { existsSync, readdirSync, statSync } from "node:fs";
import * as path from "node:path";
import { TritcError } from "../../ir/errors.js";

/** Where a model folder keeps its transformer, in order of preference (Optimum, then BFL's `*-onnx` files). */
const PLACES = [
  "transformer/model.onnx",
  "model.onnx",
  "transformer.opt/bf16/model.onnx",
  "transformer.opt/model.onnx",
  "bf16/model.onnx",
];

/** The `.onnx` file that a path means: the file itself, or the one of a model folder. */
export function locateModel(given: string): string {
  const stat = statSync(given, { throwIfNoEntry: false });
  if (stat === undefined) throw notFound(given, "there is no such file or folder");
  if (stat.isFile()) return given;
  if (!stat.isDirectory()) throw notFound(given, "this is neither a file nor a folder");
  const known = findOnnx(given);
  if (known !== undefined) return known;
  const files = onnxFiles(given);
  throw notFound(
    given,
    files.length === 0 ? "the folder holds no model" : "the folder holds several models",
    {
      expected: PLACES.join(", "),
      found: files.length === 0 ? "no .onnx file" : files.sort().join(", "),
    },
  );
}

/** The `.onnx` file of a model folder, if there is one and only one that it can mean. */
export function findOnnx(folder: string): string | undefined {
  const known = PLACES.map((place) => path.join(folder, place)).find((file) => existsSync(file));
  if (known !== undefined) return known;
  const files = onnxFiles(folder);
  const [only] = files;
  return only !== undefined && files.length === 1 ? path.join(folder, only) : undefined;
}

function onnxFiles(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".onnx"));
}

function notFound(
  place: string,
  message: string,
  findings: { readonly expected?: string; readonly found?: string } = {},
): TritcError {
  return new TritcError({
    code: "TRITC_E_MODEL_NOT_FOUND",
    place,
    message,
    ...findings,
    remedy:
      "give the path of an .onnx file, of a folder with transformer/model.onnx, or of a Diffusers folder, or a model of the hub: org/name",
  });
}
