import { basename, resolve } from "node:path";
import { TritcError } from "../../../ir/errors.js";
import type { Activations } from "../../../targets/index.js";
import { type Target, targetByName } from "../../../targets/index.js";
import { fileReader } from "../../file-reader.js";
import type { TextWeights } from "../../networks/text-weights.js";
import type { Ternarize } from "../../pass.js";
import { formatBytes } from "../../units.js";
import type { HubOptions } from "../hub-options.js";
import { isBundle } from "../is-bundle.js";
import { loaded } from "../loaded.js";
import { lookAt } from "../model-path.js";
import type { CommonOptions, PlanOptions } from "../options.js";
import { Output } from "../output.js";
import { Terminal } from "../terminal.js";

export interface ReportCommandOptions extends CommonOptions, PlanOptions, HubOptions {
  readonly out: string;
  readonly target?: string;
  readonly ternarize: Ternarize;
  readonly activations: Activations;
  readonly textWeights?: TextWeights;
}

export async function writeReport(given: string, options: ReportCommandOptions): Promise<void> {
  const output = await Output.open(options, "HTML");
  const targets = targetsOf(given, options.target);
  const html = await lookAt(given, options, (path) => rendered(path, given, targets, options));
  const bytes = await output.write([Buffer.from(html)]);
  output.summary({ out: options.out, bytes }, `${options.out}: ${formatBytes(bytes)}`);
}

async function rendered(
  path: string,
  given: string,
  targets: readonly [Target, ...Target[]] | null,
  options: ReportCommandOptions,
): Promise<string> {
  const [{ renderReport }, { bundleSubject, modelSubjects }] = await loaded(
    Promise.all([import("../../report/report.js"), import("../../report/subjects.js")]),
    options,
  );
  const name = basename(resolve(given));
  if (targets === null) {
    const { subject, options: compiled } = bundleSubject(path);
    return renderReport([subject], { name, ...compiled });
  }
  const { ternarize, activations, resolution: resolutions, textLength, references } = options;
  const { memoryLimit, promptWeights, textWeights } = options;
  const reader = fileReader();
  try {
    const request = {
      ternarize,
      activations,
      resolutions,
      textLength,
      references,
      memoryLimit,
      promptWeights,
      textWeights,
    };
    const groups = new Terminal(options).progress("groups", "weights");
    const subjects = await modelSubjects(path, targets, reader, request, groups.update).finally(groups.stop);
    return renderReport(subjects, { name, ternarize, activations });
  } finally {
    reader.close();
  }
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
