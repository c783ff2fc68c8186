/**
 * `npm run check:imports -- <folder...> [--targets cpu,webgpu] [--json]`: holds exports against the results of the
 * original. Each folder has `model.onnx`, `inputs.safetensors` and `expected.safetensors`; a folder of such folders
 * stands for all of them. Exit code 1 if any model is not evaluated, not compiled, or off by more than its bound.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { table } from "../../compiler/cli/terminal.js";
import { type Checked, checkImport } from "./check.js";

const MODEL = "model.onnx";

function modelsIn(folders: readonly string[]): readonly string[] {
  return folders.flatMap((folder) => {
    if (existsSync(join(folder, MODEL))) return [folder];
    const inner = readdirSync(folder).map((name) => join(folder, name));
    return inner.filter((path) => existsSync(join(path, MODEL))).sort();
  });
}

function row({ folder, recognized, results }: Checked): readonly string[] {
  const cells = results.map(({ error, bound, problem }) => {
    if (error === undefined) return `failed: ${problem ?? "unknown"}`;
    return `${error.toExponential(1)}${error <= bound ? "" : ` > ${bound}`}`;
  });
  return [folder, recognized ? "FLUX" : "generic", ...cells];
}

const program = new Command("check:imports")
  .argument("<folders...>", "folders with model.onnx, inputs.safetensors and expected.safetensors")
  .option("--targets <names>", "targets to compile for, in f32", "cpu,webgpu")
  .option("--json", "print one JSON array");
program.action(async (folders: string[], options: { targets: string; json?: boolean }) => {
  const targets = options.targets.split(",").filter((name) => name !== "");
  const checked: Checked[] = [];
  for (const folder of modelsIn(folders)) checked.push(await checkImport(folder, targets));
  const failed = checked.some(({ results }) => results.some((r) => !((r.error ?? Number.NaN) <= r.bound)));
  const head = ["model", "read as", "interpreter", ...targets];
  console.log(options.json === true ? JSON.stringify(checked, null, 2) : table([head, ...checked.map(row)]));
  process.exitCode = failed || checked.length === 0 ? 1 : 0;
});
await program.parseAsync();
