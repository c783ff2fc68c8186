import type { Command } from "commander";
import { Option } from "commander";
import { WEIGHT_FORMS, WEIGHT_TYPES } from "../../onnx-export/format.js";
import type { ExportOnnxOptions } from "../actions/export-onnx.js";
import { withHubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { groupOption, positiveInteger, withOutputOptions } from "../options.js";

export function addExportOnnx(program: Command): void {
  withHubOptions(withOutputOptions(program.command("export-onnx")))
    .description("write a model with ternary weights, or a bundle's, as ONNX for other runtimes")
    .argument("<model>", "an .onnx file, a model folder, or a bundle folder")
    .requiredOption(
      "-o, --out <path>",
      "a folder for model.onnx and model.onnx_data, or a path ending in .onnx",
    )
    .addOption(
      new Option("--weights <form>", "floats, or integers of 4 or 2 bits with DequantizeLinear")
        .choices(WEIGHT_FORMS)
        .default("dequantized"),
    )
    .addOption(
      new Option(
        "--ternarize <method>",
        "how a model's block weights become ternary; default: exact",
      ).choices(["exact", "absmean", "calibrated", "none"]),
    )
    .addOption(groupOption())
    .option("--calibration <folder>", "for --ternarize calibrated: what `tritc calibrate --moments` wrote")
    .addOption(
      new Option(
        "--type <type>",
        "of dequantized weights; default: that of the source's, f32 for a bundle",
      ).choices(WEIGHT_TYPES),
    )
    .addOption(
      new Option("--opset <n>", "21 to 25; default: 21, or 25 for 2-bit weights").argParser(positiveInteger),
    )
    .action(async (input: string, options: ExportOnnxOptions) =>
      (await loaded(import("../actions/export-onnx.js"), options)).exportModel(input, options),
    );
}
