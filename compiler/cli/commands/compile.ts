import type { Command } from "commander";
import { Option } from "commander";
import type { CompileOptions } from "../actions/compile.js";
import { withHubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import {
  byteCount,
  groupOption,
  loraOption,
  networkProductsOption,
  residualRankOption,
  severalPaths,
  textWeightsOption,
  withOutputOptions,
  withPlanOptions,
} from "../options.js";

export function addCompile(program: Command): void {
  withPlanOptions(withHubOptions(withOutputOptions(program.command("compile"))))
    .description("compile a FLUX export into a bundle: ternary weights, kernels, launch plan")
    .argument(
      "<model>",
      "an .onnx file, an exported or Diffusers pipeline folder, a checkpoint, or a model of the hub: org/name[@revision]",
    )
    .requiredOption("--target <name>", "what to compile for (see `tritc targets`)")
    .requiredOption("-o, --out <folder>", "the bundle to write")
    .addOption(loraOption())
    .addOption(
      new Option("--ternarize <method>", "how block weights become ternary")
        .choices(["exact", "absmean", "calibrated", "none"])
        .default("exact"),
    )
    .addOption(groupOption())
    .option(
      "--calibration <folder>",
      "for --ternarize calibrated, or --residual-rank: what `tritc calibrate --moments` wrote",
    )
    .addOption(
      residualRankOption(
        "put dense weights of this rank beside the ternary ones of every block linear, for what those lose",
      ),
    )
    .addOption(
      new Option("--activations <type>", "what ternary layers multiply (see `tritc targets`)")
        .choices(["int8", "bf16", "f16", "f32"])
        .default("int8"),
    )
    .addOption(
      new Option("--attention <type>", "CUDA: what attention multiplies queries with keys in")
        .choices(["bf16", "int8"])
        .default("bf16"),
    )
    .addOption(
      new Option(
        "--storage <form>",
        "ternary codes in the weight file: five trits a byte (1.6 bits a weight), or plain 2-bit codes",
      )
        .choices(["trits", "2bit"])
        .default("trits"),
    )
    .addOption(
      severalPaths(
        "--tuning <file>",
        "records of `tritc tune --export`, whose configs kernels get; may be given several times",
      ),
    )
    .addOption(textWeightsOption())
    .addOption(networkProductsOption())
    .option(
      "--pipeline <folder>",
      "tokenizers, encoders, VAE and scheduler to include, also of the hub: org/name[@revision]; default: found beside the model",
    )
    .option("--no-pipeline", "compile the transformer alone")
    .addOption(
      new Option("--emit <form>", "CUDA kernels: compiled by nvcc, or as sources only")
        .choices(["binary", "source"])
        .default("binary"),
    )
    .addOption(
      new Option(
        "--memory <bytes>",
        "what the compiler may take while it packs weights, such as 512MB; default: 2GB",
      ).argParser(byteCount),
    )
    .option(
      "--explain",
      "say for each kernel which variant and numbers were chosen, why, and what was rejected; and how long a step takes by the cost model",
    )
    .option("--no-resume", "do not go on from an interrupted run: remove what it left, and leave nothing")
    .action(async (input: string, options: CompileOptions) =>
      (await loaded(import("../actions/compile.js"), options)).compileModelFile(input, options),
    );
}
