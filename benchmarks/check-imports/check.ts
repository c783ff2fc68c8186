import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evaluateFile } from "../../compiler/cli/evaluate-file.js";
import { relativeError } from "../../compiler/cli/relative-error.js";
import { compileModel } from "../../compiler/compile.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { recognize } from "../../compiler/recognize/recognition.js";
import { isFloat } from "../../ir/dtype.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";

/** How far one way of computing a model is from the original's result. */
export interface Result {
  /** `interpreter`, or a target's name. */
  readonly by: string;
  /** Relative L2; absent where nothing was computed. */
  readonly error?: number;
  readonly bound: number;
  readonly problem?: string;
}

export interface Checked {
  readonly folder: string;
  /** Whether the model was recognized as a FLUX transformer. */
  readonly recognized: boolean;
  readonly results: readonly Result[];
}

const INTERPRETER = 1e-4;
const KERNELS = 1e-3;
/** Of exports whose results are rounded to 16 bits. */
const HALF = 5e-3;

/** Evaluates a model and its bundles in f32, and compares with `expected.safetensors`. */
export async function checkImport(folder: string, targets: readonly string[]): Promise<Checked> {
  const model = join(folder, "model.onnx");
  const inputs = tensorsOf(join(folder, "inputs.safetensors"));
  const expected = [...tensorsOf(join(folder, "expected.safetensors")).values()][0];
  const attempt = async (by: string, usual: number, path: () => Promise<string>): Promise<Result> => {
    try {
      const { outputs } = await evaluateFile(await path(), inputs, {});
      const [found] = outputs.values();
      if (found === undefined || expected === undefined) throw new Error("no result");
      const bound = isFloat(found.dtype) && found.dtype !== "f32" && found.dtype !== "f64" ? HALF : usual;
      const error = relativeError(new Map([["result", found]]), new Map([["result", expected]]));
      return { by, error, bound };
    } catch (error) {
      return { by, bound: usual, problem: error instanceof Error ? error.message : String(error) };
    }
  };
  const work = await mkdtemp(join(tmpdir(), "tritc-imports-"));
  try {
    const results = [await attempt("interpreter", INTERPRETER, () => Promise.resolve(model))];
    for (const target of targets) {
      const out = join(work, target);
      const compile = async () => {
        await compileModel({ input: model, out, target, ternarize: "none", activations: "f32" });
        return out;
      };
      results.push(await attempt(target, KERNELS, compile));
    }
    return { folder, recognized: isRecognized(model), results };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function isRecognized(model: string): boolean {
  const reader = fileReader();
  try {
    return recognize(importModel(model), reader).model !== undefined;
  } catch {
    // What is wrong stands beside the results.
    return false;
  } finally {
    reader.close();
  }
}

function tensorsOf(file: string): ReadonlyMap<string, Tensor> {
  return parseSafetensors(new Uint8Array(readFileSync(file)), file);
}
