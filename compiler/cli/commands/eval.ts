import type { Command } from "commander";
import { Option } from "commander";
import type { EvalOptions } from "../actions/eval.js";
import { withHubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { loraOption, withDeviceOptions, withOutputOptions } from "../options.js";

export function addEval(program: Command): void {
  withDeviceOptions(withHubOptions(withOutputOptions(program.command("eval"))))
    .description("run one forward pass: a model in the reference interpreter, a bundle through its kernels")
    .argument("<model>", "an .onnx file, a model folder or checkpoint, or a bundle folder")
    .requiredOption(
      "--inputs <file>",
      "safetensors with one tensor per input, named as in the graph; - for stdin",
    )
    .requiredOption("-o, --out <file>", "safetensors to write the outputs to; - for stdout")
    .addOption(
      new Option("--precision <type>", "what the interpreter computes in")
        .choices(["f32", "f64"])
        .default("f32"),
    )
    .addOption(loraOption())
    .option("--interpret", "bundle: run its graph in the reference interpreter instead of its kernels")
    .action(async (model: string, options: EvalOptions) =>
      (await loaded(import("../actions/eval.js"), options)).evaluate(model, options),
    );
}
