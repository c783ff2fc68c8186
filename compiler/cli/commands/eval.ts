import type { Command } from "commander";
import { Option } from "commander";
import { checkFilePath } from "../../atomic-file.js";
import type { LoraRequest } from "../../lora/read.js";
import { describeLora } from "../describe-lora.js";
import {
  type CommonOptions,
  type DeviceOptions,
  loraOption,
  withDeviceOptions,
  withOutputOptions,
} from "../options.js";
import { readTensors, writeTensors } from "../safetensors-file.js";
import { Terminal, table } from "../terminal.js";

interface EvalOptions extends CommonOptions, DeviceOptions {
  readonly inputs: string;
  readonly out: string;
  readonly precision: "f32" | "f64";
  readonly interpret?: boolean;
  readonly lora?: readonly LoraRequest[];
}

export function addEval(program: Command): void {
  withDeviceOptions(withOutputOptions(program.command("eval")))
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
    .action(async (model: string, options: EvalOptions) => {
      const { evaluateFile } = await import("../evaluate-file.js");
      if (options.out !== "-") await checkFilePath(options.out);
      const inputs = await readTensors(options.inputs, options.io);
      const { outputs, ranOn, lora } = await evaluateFile(model, inputs, options);
      await writeTensors(options.out, outputs, options.io);
      const tensors = [...outputs].map(([name, t]) => ({ name, dtype: t.dtype, shape: t.shape }));
      const rows = tensors.map((t) => [t.name, t.dtype, `[${t.shape.join(", ")}]`]);
      for (const adapter of lora) rows.push([describeLora(adapter)]);
      const terminal = new Terminal(options);
      if (options.out === "-") terminal.note(table([...rows, [`computed by ${ranOn}`]]));
      else {
        terminal.result(
          { out: options.out, ranOn, lora, tensors },
          table([...rows, [`${options.out}: computed by ${ranOn}`]]),
        );
      }
    });
}
