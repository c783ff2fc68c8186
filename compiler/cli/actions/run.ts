import type { Manifest } from "../../../ir/format/manifest.js";
import { printResolution, type Resolution } from "../../resolutions.js";
import { formatDuration, formatQuantity } from "../../units.js";
import type { RunOptions } from "../commands/run.js";
import { Output } from "../output.js";
import { readPrompt } from "../prompts.js";
import { Terminal } from "../terminal.js";

export async function runBundle(bundle: string, options: RunOptions): Promise<void> {
  const terminal = new Terminal(options);
  const started = performance.now();
  const output = await Output.open(options, "PNG");
  const prompt = await readPrompt(options.prompt, options);
  const { openGenerator } = await import("../../../runtime/node/generate.js");
  const generator = await openGenerator(bundle, options);
  try {
    noteUnplanned(terminal, generator.bundle.manifest, options.resolution);
    const loaded = performance.now();
    const progress = terminal.progress("sampling", "steps");
    const picture = await generator
      .generate({
        prompt,
        seed: options.seed,
        steps: options.steps,
        guidance: options.guidance,
        textLength: options.textLength,
        ...options.resolution,
        onStep: ({ step, steps }) => progress.update(step, steps),
      })
      .finally(() => progress.stop());
    await output.write([picture.png]);
    const seconds = { load: (loaded - started) / 1000, generate: (performance.now() - loaded) / 1000 };
    const { width, height } = picture;
    output.summary(
      {
        out: options.out,
        width,
        height,
        steps: picture.steps,
        device: generator.device.description,
        seconds,
      },
      `${options.out}: ${width}x${height}, ${formatQuantity(picture.steps, "step")} in ${formatDuration(seconds.generate)} on ${generator.device.description}`,
    );
  } finally {
    await generator.close();
  }
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
