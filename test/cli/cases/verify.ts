import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { copyBundle, rehash } from "../../support/bundle-surgery.js";
import { externalTensor, model, node, value } from "../../support/onnx-builder.js";
import type { CliCase, Fixture } from "./case.js";

/** A bundle of the FLUX transformer that opens, and is not what was compiled. */
function changed(
  name: string,
  [code, message]: readonly [string, RegExp],
  change: (bundle: string) => void,
): CliCase {
  return {
    name: `verify ${name}`,
    code: `TRITC_E_${code}`,
    message,
    setup(folder, fixture: Fixture) {
      const bundle = copyBundle(fixture.bundle, folder);
      change(bundle);
      rehash(bundle);
      return ["verify", bundle, "--threads", "1"];
    },
  };
}

const WRONG = ["VERIFY", /from step to step[\s\S]*expected: .* at most 1\.0e-5[\s\S]*tritc doctor/] as const;

/** Without the last launch of a phase, which puts the result where the next step reads it. */
function withoutLast(phase: string): (bundle: string) => void {
  return (bundle) => {
    const path = join(bundle, "program.json");
    const program = JSON.parse(readFileSync(path, "utf8"));
    const { launches } = program.phases.find(({ name }: { name: string }) => name === phase);
    if (launches.pop() === undefined) throw new Error(`${phase} has no launches`);
    writeFileSync(path, JSON.stringify(program));
  };
}

function encoderNaming(location: string): (bundle: string) => void {
  return (bundle) => {
    const path = join(bundle, "pipeline/text_encoder/model.onnx");
    mkdirSync(dirname(path), { recursive: true });
    const sum = {
      inputs: [value("x", "f32", [4])],
      outputs: [value("y", "f32", [4])],
      initializers: [externalTensor("w", "f32", [4], { location })],
      nodes: [node("Add", ["x", "w"], ["y"])],
    };
    writeFileSync(path, model(sum));
  };
}

export const VERIFY_CASES: readonly CliCase[] = [
  ...["euler", "heun-correct"].map((phase) =>
    changed(`a bundle whose ${phase} leaves the sample as it is`, WRONG, withoutLast(phase)),
  ),
  changed(
    "a text encoder whose data lie elsewhere",
    ["ONNX_EXTERNAL_DATA", /text_encoder\/model\.onnx[\s\S]*\.\.\/\.\.\/\.\.\/elsewhere/],
    encoderNaming("../../../elsewhere"),
  ),
];
