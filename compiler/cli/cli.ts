import { readFileSync } from "node:fs";
import { type Command, CommanderError } from "commander";
import { TritcError } from "../../ir/errors.js";
import { packageRoot } from "../package-root.js";
import { CliCommand, describeCommanderError } from "./cli-command.js";
import { addBench } from "./commands/bench.js";
import { addCalibrate } from "./commands/calibrate.js";
import { addCompare } from "./commands/compare.js";
import { addCompile } from "./commands/compile.js";
import { addDistill } from "./commands/distill.js";
import { addDoctor } from "./commands/doctor.js";
import { addEval } from "./commands/eval.js";
import { addExportOnnx } from "./commands/export-onnx.js";
import { addInspect } from "./commands/inspect.js";
import { addPackRunner } from "./commands/pack-runner.js";
import { addReport } from "./commands/report.js";
import { addRun } from "./commands/run.js";
import { addSample } from "./commands/sample.js";
import { addSampleModel } from "./commands/sample-model.js";
import { addTargets } from "./commands/targets.js";
import { addTune } from "./commands/tune.js";
import { addVerify } from "./commands/verify.js";
import type { CliIo } from "./io.js";
import { reportError } from "./report-error.js";

const COMMANDS = [
  addInspect,
  addCompile,
  addEval,
  addRun,
  addSample,
  addCompare,
  addVerify,
  addReport,
  addBench,
  addTune,
  addTargets,
  addDoctor,
  addPackRunner,
  addExportOnnx,
  addCalibrate,
  addDistill,
  addSampleModel,
] as const;

/** The commands, without what they do: that loads when one of them runs. */
export function makeProgram(io: CliIo): Command {
  const { version } = JSON.parse(readFileSync(new URL("package.json", packageRoot()), "utf8")) as {
    version: string;
  };
  const program = new CliCommand("tritc")
    .description("Compiles FLUX diffusion transformers from ONNX to 1.58-bit GPU and WebAssembly programs.")
    .version(version)
    .exitOverride()
    // Standard output and errors are the caller's; commands inherit this, so it comes before they are added.
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // What commander throws says the same.
      outputError: () => undefined,
    });
  for (const add of COMMANDS) add(program);
  program.hook("preAction", (_, action) => {
    action.setOptionValue("io", io);
  });
  return program;
}

/**
 * `tritc` with the arguments after the program's name. Data goes to `io.stdout`, everything said about the work
 * to `io.stderr`. Returns the exit code: 0 done, 1 the work failed, 2 wrong usage.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  try {
    await makeProgram(io).parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      const known = describeCommanderError(error, argv);
      if (known !== undefined) reportError(known, argv, io);
      return error.exitCode === 0 ? 0 : 2;
    }
    reportError(error, argv, io);
    return error instanceof TritcError ? error.exitCode : 1;
  }
}
