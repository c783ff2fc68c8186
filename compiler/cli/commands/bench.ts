import type { Command } from "commander";
import { Option } from "commander";
import type { BenchCommandOptions } from "../actions/bench.js";
import { loaded } from "../loaded.js";
import { namesOption, wholeFromOne, withDeviceOptions, withOutputOptions } from "../options.js";

/** Runs of a kernel that nobody waits for. */
const MOST_ROUNDS = 10_000;

export function addBench(program: Command): void {
  withDeviceOptions(withOutputOptions(program.command("bench")))
    .description(
      "measure a bundle and the compiled networks of its pipeline on this device: each kernel by itself, and a step as a whole",
    )
    .argument("<bundle>", "a folder that `tritc compile` wrote")
    .addOption(
      namesOption(
        "--network <name,...>",
        "only these: transformer, text_encoder, text_encoder_2, vae_decoder, vae_encoder; default: what a picture from text takes",
      ),
    )
    .addOption(namesOption("--kernels <part,...>", "only kernels whose name has one of these in it"))
    .addOption(
      new Option("--rounds <n>", "runs of each kernel, and of a step")
        .argParser(wholeFromOne(MOST_ROUNDS))
        .default(9),
    )
    .action(async (path: string, options: BenchCommandOptions) =>
      (await loaded(import("../actions/bench.js"), options)).bench(path, options),
    );
}
