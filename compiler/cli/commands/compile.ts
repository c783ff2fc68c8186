import type { Command } from "commander";
import { Option } from "commander";
import type { TernaryStorage } from "../../../ir/ternary/storage.js";
import type { Activations, AttentionProducts } from "../../../targets/index.js";
import type { Emit } from "../../codegen/generate-kernels.js";
import type { LoraRequest } from "../../lora/read.js";
import { DEFAULT_MEMORY_BYTES } from "../../pack/memory.js";
import type { Ternarize } from "../../pass.js";
import {
  byteCount,
  type CommonOptions,
  loraOption,
  type PlanOptions,
  withOutputOptions,
  withPlanOptions,
} from "../options.js";

export interface CompileOptions extends CommonOptions, PlanOptions {
  readonly target: string;
  readonly out: string;
  readonly lora?: readonly LoraRequest[];
  readonly ternarize: Ternarize;
  readonly activations: Activations;
  readonly attention: AttentionProducts;
  readonly storage: TernaryStorage;
  readonly pipeline?: string;
  readonly emit: Emit;
  readonly memory: number;
  readonly resume: boolean;
}

export function addCompile(program: Command): void {
  withPlanOptions(withOutputOptions(program.command("compile")))
    .description("compile a FLUX export into a bundle: ternary weights, kernels, launch plan")
    .argument(
      "<model>",
      "an .onnx file, an exported or Diffusers pipeline folder, or a FLUX.1 .safetensors checkpoint",
    )
    .requiredOption("--target <name>", "what to compile for (see `tritc targets`)")
    .requiredOption("-o, --out <folder>", "the bundle to write")
    .addOption(loraOption())
    .addOption(
      new Option("--ternarize <method>", "how block weights become ternary")
        .choices(["exact", "absmean", "none"])
        .default("exact"),
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
    .option(
      "--pipeline <folder>",
      "tokenizers, encoders, VAE and scheduler to include; default: found beside the model",
    )
    .addOption(
      new Option("--emit <form>", "CUDA kernels: compiled by nvcc, or as sources only")
        .choices(["binary", "source"])
        .default("binary"),
    )
    .addOption(
      new Option("--memory <bytes>", "what the compiler may take while it packs weights, such as 512MB")
        .argParser(byteCount)
        .default(DEFAULT_MEMORY_BYTES, "2GB"),
    )
    .option("--no-resume", "do not go on from an interrupted run: remove what it left, and leave nothing")
    .action(async (input: string, options: CompileOptions) =>
      (await import("../actions/compile.js")).compileModelFile(input, options),
    );
}
