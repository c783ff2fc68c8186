import type { Command } from "commander";
import type { VerifyOptions } from "../actions/verify.js";
import { withHubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { withDeviceOptions, withOutputOptions } from "../options.js";

export function addVerify(program: Command): void {
  withDeviceOptions(withHubOptions(withOutputOptions(program.command("verify"))))
    .description("check a bundle: every file's hash, then the kernels' numbers against the interpreter's")
    .argument("<bundle>", "a folder that `tritc compile` wrote")
    .option("--against <model>", "also say how far the bundle is from this model (ternary weights: far)")
    .option("--inputs <file>", "safetensors to run it on; - for stdin; default: random inputs of small size")
    .action(async (path: string, options: VerifyOptions) =>
      (await loaded(import("../actions/verify.js"), options)).verifyBundle(path, options),
    );
}
