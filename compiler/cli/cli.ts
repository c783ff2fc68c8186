import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { printable, TritcError } from "../../ir/errors.js";
import { describeSystemError } from "../system-errors.js";
import { addCompare } from "./commands/compare.js";
import { addCompile } from "./commands/compile.js";
import { addDoctor } from "./commands/doctor.js";
import { addEval } from "./commands/eval.js";
import { addExportOnnx } from "./commands/export-onnx.js";
import { addInspect } from "./commands/inspect.js";
import { addPackRunner } from "./commands/pack-runner.js";
import { addReport } from "./commands/report.js";
import { addRun } from "./commands/run.js";
import { addSampleModel } from "./commands/sample-model.js";
import { addTargets } from "./commands/targets.js";
import { addVerify } from "./commands/verify.js";
import type { CliIo } from "./io.js";
import { packageRoot } from "./package-root.js";

const COMMANDS = [
  addInspect,
  addCompile,
  addEval,
  addRun,
  addCompare,
  addVerify,
  addReport,
  addTargets,
  addDoctor,
  addPackRunner,
  addExportOnnx,
  addSampleModel,
] as const;

/**
 * `tritc` with the arguments after the program's name. Data goes to `io.stdout`, everything said about the work
 * to `io.stderr`. Returns the exit code: 0 done, 1 the work failed, 2 wrong usage.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const { version } = JSON.parse(readFileSync(new URL("package.json", packageRoot()), "utf8")) as {
    version: string;
  };
  const program = new Command("tritc")
    .description("Compiles FLUX diffusion transformers from ONNX to 1.58-bit GPU and WebAssembly programs.")
    .version(version)
    .exitOverride()
    // Standard output and errors are the caller's; commands inherit this, so it comes before they are added.
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(usageError(text)),
    });
  for (const add of COMMANDS) add(program);
  program.hook("preAction", (_, action) => {
    action.setOptionValue("io", io);
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const known = error instanceof TritcError ? error : describeSystemError(error);
    io.stderr.write(known === undefined ? internalError(error) : report(known));
    return known?.exitCode ?? 1;
  }
}

function report(error: TritcError): string {
  return `tritc: ${error.message}\n  [${error.code}]\n`;
}

/** An error of the command line in the form of all others; `text` is `error: …` and perhaps a suggestion. */
function usageError(text: string): string {
  const [message = "", ...more] = text.trim().split("\n");
  const suggestion = more.map((line) => `\n  ${printable(line)}`).join("");
  return (
    `tritc: ${printable(message.replace(/^error: /, ""), 1000)}${suggestion}\n` +
    "  try:      tritc --help lists the commands, tritc <command> --help its options\n" +
    "  [TRITC_E_USAGE]\n"
  );
}

function internalError(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `tritc: internal error, please report it\n${text
    .split("\n")
    .map((line) => printable(line, 1000))
    .join("\n")}\n`;
}
