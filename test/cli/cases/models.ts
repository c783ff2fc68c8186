import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { HOSTILE_ONNX } from "../../support/hostile-onnx.js";
import { model, node, tensor, value } from "../../support/onnx-builder.js";
import type { CliCase, Fixture } from "./case.js";

/** What each command is given besides a model. */
const COMMANDS: Readonly<Record<string, (folder: string, fixture: Fixture) => readonly string[]>> = {
  inspect: () => [],
  compile: (folder) => ["--target", "cpu", "-o", join(folder, "out")],
  eval: (folder, { inputs }) => ["--inputs", inputs, "-o", join(folder, "out.safetensors")],
};

/** Every broken model through every command that reads models. */
export const MODEL_CASES: readonly CliCase[] = Object.entries(COMMANDS).flatMap(([command, options]) =>
  HOSTILE_ONNX.map(({ name, code, message, files }) => ({
    name: `${command}: ${name}`,
    code,
    message,
    setup: (folder: string, fixture: Fixture) => [command, files(folder), ...options(folder, fixture)],
  })),
);

/** y = x·w + b with w as given. */
function linear(folder: string, w: readonly number[]): string {
  const path = join(folder, "model.onnx");
  writeFileSync(
    path,
    model({
      inputs: [value("x", "f32", ["n", 2])],
      outputs: [value("y", "f32", ["n", 2])],
      initializers: [tensor("weight.1", "f32", [2, 2], w)],
      nodes: [node("MatMul", ["x", "weight.1"], ["y"])],
    }),
  );
  return path;
}

function compileGeneric(path: string, folder: string): readonly string[] {
  return ["compile", path, "--target", "cpu", "--ternarize", "none", "-o", join(folder, "out")];
}

function notFinite(name: string, w: readonly number[]): CliCase {
  return {
    name,
    code: "TRITC_E_WEIGHT_NOT_FINITE",
    message: /weight\.1[\s\S]*row 1/,
    setup: (folder) => compileGeneric(linear(folder, w), folder),
  };
}

/** Models that can be read but not compiled. */
export const WEIGHT_CASES: readonly CliCase[] = [
  notFinite("a weight that is NaN", [1, 2, 3, Number.NaN]),
  notFinite("a weight that is infinite", [1, Number.NEGATIVE_INFINITY, 3, 4]),
  {
    name: "an operator without kernels",
    code: "TRITC_E_UNSUPPORTED_OP",
    message: /topk pick/,
    setup(folder) {
      const path = join(folder, "model.onnx");
      writeFileSync(
        path,
        model({
          inputs: [value("x", "f32", ["n", 4])],
          outputs: [value("v", "f32"), value("i", "i64")],
          initializers: [tensor("k", "i64", [1], [2])],
          nodes: [node("TopK", ["x", "k"], ["v", "i"], {}, { name: "pick\x1b[2J" })],
        }),
      );
      return compileGeneric(path, folder);
    },
  },
];
