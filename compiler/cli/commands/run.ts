import type { Command } from "commander";
import { Option } from "commander";
import type { Manifest } from "../../../ir/format/manifest.js";
import type { PromptWeightsPolicy } from "../../../ir/program/memory/index.js";
import { checkFilePath, writeFileAtomic } from "../../atomic-file.js";
import { printResolution, type Resolution } from "../../resolutions.js";
import {
  type CommonOptions,
  type DeviceOptions,
  finiteNumber,
  positiveInteger,
  promptWeightsOption,
  resolution,
  wholeNumber,
  withDeviceOptions,
  withOutputOptions,
} from "../options.js";
import { Terminal } from "../terminal.js";

export interface SamplingOptions extends CommonOptions, DeviceOptions {
  readonly steps: number;
  readonly guidance: number;
  readonly seed: number;
  readonly resolution?: Resolution;
  readonly pipeline?: string;
}

/** The options that say how to sample, the same for `run` and `compare`. */
export function withSamplingOptions(command: Command): Command {
  return command
    .addOption(new Option("--steps <n>", "denoising steps").argParser(positiveInteger).default(50))
    .addOption(new Option("--guidance <g>", "guidance scale").argParser(finiteNumber).default(3.5))
    .addOption(new Option("--seed <n>", "seed of the noise").argParser(wholeNumber).default(0))
    .addOption(new Option("--resolution <WxH>", "picture size; default: the bundle's").argParser(resolution))
    .option("--pipeline <folder>", "tokenizers, encoders, VAE, scheduler; default: the bundle's own");
}

interface RunOptions extends SamplingOptions {
  readonly promptWeights?: PromptWeightsPolicy;
  readonly prompt: string;
  readonly out: string;
}

export function addRun(program: Command): void {
  withDeviceOptions(withSamplingOptions(withOutputOptions(program.command("run"))))
    .description("draw a picture with a bundle")
    .argument("<bundle>", "a folder that `tritc compile` wrote")
    .requiredOption("--prompt <text>", "what to draw")
    .requiredOption("-o, --out <file>", "the PNG to write")
    .addOption(promptWeightsOption("default: what the bundle was compiled for"))
    .action(async (bundle: string, options: RunOptions) => {
      const terminal = new Terminal(options);
      const started = performance.now();
      await checkFilePath(options.out);
      const { openGenerator } = await import("../../../runtime/node/generate.js");
      const generator = await openGenerator(bundle, options);
      try {
        noteUnplanned(terminal, generator.bundle.manifest, options.resolution);
        const loaded = performance.now();
        const progress = terminal.progress("sampling", "steps");
        const picture = await generator
          .generate({
            prompt: options.prompt,
            seed: options.seed,
            steps: options.steps,
            guidance: options.guidance,
            ...options.resolution,
            onStep: ({ step, steps }) => progress.update(step, steps),
          })
          .finally(() => progress.stop());
        await writeFileAtomic(options.out, (file) => file.writeFile(picture.png));
        const seconds = { load: (loaded - started) / 1000, generate: (performance.now() - loaded) / 1000 };
        const { width, height } = picture;
        terminal.result(
          { out: options.out, width, height, device: generator.device.description, seconds },
          `${options.out}: ${width}x${height}, ${options.steps} steps in ${seconds.generate.toFixed(2)} s on ${generator.device.description}`,
        );
      } finally {
        await generator.close();
      }
    });
}

/** A remark about a picture that the bundle was not planned for: it may take more memory than there is. */
function noteUnplanned(terminal: Terminal, { resolutions }: Manifest, wanted: Resolution | undefined): void {
  if (wanted === undefined || resolutions.length === 0) return;
  const planned = resolutions.map(printResolution);
  if (planned.includes(printResolution(wanted))) return;
  terminal.note(
    `${printResolution(wanted)} is none of the sizes this bundle was planned for: ${planned.join(", ")}`,
  );
}
