import { basename, resolve } from "node:path";
import { type Command, Option } from "commander";
import { TritcError } from "../../../ir/errors.js";
import { type Activations, type Target, targetByName } from "../../../targets/index.js";
import { checkFilePath, writeFileAtomic } from "../../atomic-file.js";
import { fileReader } from "../../file-reader.js";
import type { Ternarize } from "../../pass.js";
import { isBundle } from "../is-bundle.js";
import { type CommonOptions, type PlanOptions, withOutputOptions, withPlanOptions } from "../options.js";
import { formatBytes, Terminal } from "../terminal.js";

interface ReportCommandOptions extends CommonOptions, PlanOptions {
  readonly out: string;
  readonly target?: string;
  readonly ternarize: Ternarize;
  readonly activations: Activations;
}

export function addReport(program: Command): void {
  withPlanOptions(withOutputOptions(program.command("report")))
    .description("draw storage, memory and work of a bundle, or of a model on targets, as one HTML page")
    .argument("<bundle|model>", "a folder that `tritc compile` wrote, or a model as `tritc inspect` takes it")
    .requiredOption("-o, --out <file>", "the HTML file to write")
    .option("--target <names>", "a model: targets to plan for, with commas; details are the first's")
    .addOption(
      new Option("--ternarize <method>", "a model: as `tritc compile` takes it")
        .choices(["exact", "absmean", "none"])
        .default("exact"),
    )
    .addOption(
      new Option("--activations <type>", "a model: what ternary layers multiply")
        .choices(["int8", "bf16", "f16", "f32"])
        .default("int8"),
    )
    .action(async (path: string, options: ReportCommandOptions) => {
      await checkFilePath(options.out);
      const targets = targetsOf(path, options.target);
      const { renderReport } = await import("../../report/report.js");
      const { bundleSubject, modelSubjects } = await import("../../report/subjects.js");
      const name = basename(resolve(path));
      let html: string;
      if (targets === null) {
        const { subject, options: compiled } = await bundleSubject(path);
        html = renderReport([subject], { name, ...compiled });
      } else {
        const { ternarize, activations, resolution, memoryLimit, promptWeights } = options;
        const reader = fileReader();
        try {
          const request = { ternarize, activations, resolutions: resolution, memoryLimit, promptWeights };
          const subjects = modelSubjects(path, targets, reader, request);
          html = renderReport(subjects, { name, ternarize, activations });
        } finally {
          reader.close();
        }
      }
      await writeFileAtomic(options.out, (file) => file.writeFile(html));
      const bytes = Buffer.byteLength(html);
      new Terminal(options).result({ out: options.out, bytes }, `${options.out}: ${formatBytes(bytes)}`);
    });
}

/** The targets of a model; null for a bundle, which has one. */
function targetsOf(path: string, names: string | undefined): readonly [Target, ...Target[]] | null {
  const bundle = isBundle(path);
  const [first, ...rest] = (names ?? "").split(",").filter((name) => name !== "");
  if (bundle && first === undefined) return null;
  if (!bundle && first !== undefined) return [targetByName(first), ...rest.map(targetByName)];
  throw new TritcError({
    code: "TRITC_E_TARGET",
    message: bundle ? "a bundle has a target already" : "no target to plan the model for",
    place: "--target",
    remedy: bundle
      ? "leave --target out, or report on the model that the bundle was compiled from"
      : "name one or several of `tritc targets`, such as --target a10,cpu",
    exitCode: 2,
  });
}
