import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { TuneCommandOptions } from "../actions/tune.js";
import { loaded } from "../loaded.js";
import {
  namesOption,
  positiveInteger,
  severalPaths,
  withDeviceOptions,
  withOutputOptions,
} from "../options.js";

const SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, min: 60, h: 3600 };

export function addTune(program: Command): void {
  withDeviceOptions(withOutputOptions(program.command("tune")))
    .description(
      "measure tile sizes of a bundle's kernels on this device, and keep the best of them in the bundle",
    )
    .argument("<bundle>", "a folder that `tritc compile` wrote")
    .addOption(
      new Option("--budget <time>", "time for all of it, such as 40s or 5m")
        .default(300, "5m")
        .argParser(duration),
    )
    .addOption(
      namesOption(
        "--network <name,...>",
        "only these: transformer, text_encoder, text_encoder_2, vae_decoder, vae_encoder; default: what a picture from text takes",
      ),
    )
    .addOption(namesOption("--kernels <part,...>", "only kernels whose name has one of these in it"))
    .addOption(
      new Option("--rows <n,...>", "only launches of so many rows").argParser((text) =>
        text.split(",").map(positiveInteger),
      ),
    )
    .addOption(
      severalPaths("--import <file>", "records of another bundle or machine; may be given several times"),
    )
    .option("--export <file>", "also write the records there, one JSON object to a line; - for stdout")
    .option("--again", "measure anew what the bundle's records of this device have")
    .action(async (path: string, options: TuneCommandOptions) =>
      (await loaded(import("../actions/tune.js"), options)).tune(path, options),
    );
}

/** Parses a time in seconds: `40s`, `5m`, `1.5h`, or a number of seconds. */
function duration(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const seconds = Number(number) * (SECONDS[unit.toLowerCase()] ?? Number.NaN);
  if (!Number.isFinite(seconds) || seconds <= 0)
    throw new InvalidArgumentError("Expected a time, such as 40s or 5m.");
  return seconds;
}
