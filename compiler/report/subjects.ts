import { join } from "node:path";
import type { ByteReader } from "../../ir/constant/constant.js";
import { PROGRAM_FILE } from "../../ir/format/manifest.js";
import { parseProgram } from "../../ir/program/json.js";
import { type Target, targetByName } from "../../targets/index.js";
import { type PlanRequest, planModel } from "../account/plan-model.js";
import { planSize } from "../account/size-plan.js";
import { ListedFiles } from "../bundle/listed-files.js";
import { pipelineConfigOf } from "../bundle/pipeline-files.js";
import { findGroups } from "../find-groups.js";
import { importModel } from "../import-model.js";
import { recognition, requireFlux, TERNARY_NEEDS_FLUX } from "../recognize/recognition.js";
import { imageTokens } from "../resolutions.js";
import { type Stage, stagesOfBundle } from "./pipeline-section.js";
import type { ReportOptions, ReportSubject } from "./report.js";

/** A bundle as it was planned when it was compiled. Its metadata are read and checked, not its weights. */
export function bundleSubject(folder: string): {
  readonly subject: ReportSubject;
  readonly options: Omit<ReportOptions, "name">;
  readonly stages: readonly Stage[];
} {
  const listed = new ListedFiles(folder);
  const { manifest } = listed;
  const program = parseProgram(listed.text(PROGRAM_FILE), join(folder, PROGRAM_FILE));
  const { sampling } = manifest;
  const target = targetByName(manifest.target);
  const plans = manifest.memory.plans.map(({ width, height, textTokens, steps, bf16 }) => {
    const resolution = width === null || height === null ? null : { width, height };
    const sizes = {
      ...(resolution === null || sampling === null
        ? {}
        : { img_tokens: imageTokens(resolution, sampling.pixelsPerToken) }),
      ...(textTokens === null ? {} : { txt_tokens: textTokens }),
      ...(steps === null ? {} : { steps }),
    };
    return planSize(program, target, resolution, sizes, bf16);
  });
  const { limitBytes, promptWeights } = manifest.memory;
  const subject = { target, program, tensors: manifest.tensors, plans, limitBytes, promptWeights };
  return { subject, options: manifest.options, stages: stagesOfBundle(folder, listed) };
}

/** A model as it would be compiled for targets; of its weights groups that they hold are read alone. */
export async function modelSubjects(
  path: string,
  targets: readonly [Target, ...Target[]],
  reader: ByteReader,
  request: Omit<PlanRequest, "target" | "group">,
  onGroups?: (done: number, total: number) => void,
): Promise<readonly [ReportSubject, ...ReportSubject[]]> {
  const imported = importModel(path);
  const found = recognition(imported, reader);
  const recognized = found.graph;
  if (request.ternarize !== "none") requireFlux(found, TERNARY_NEEDS_FLUX);
  const pipeline = recognized.model === undefined ? undefined : pipelineConfigOf(path);
  const group = await findGroups(recognized, reader, request.ternarize === "none" ? "row" : "auto", onGroups);
  const subject = (target: Target): ReportSubject => {
    const planned = planModel(imported, recognized, reader, { ...request, group, pipeline, target });
    const { lowered, account } = planned;
    const { plans, limitBytes, fit } = account;
    const promptWeights = fit.promptWeights ?? "stream";
    return { target, program: lowered.program, tensors: lowered.tensors, plans, limitBytes, promptWeights };
  };
  const [first, ...rest] = targets;
  return [subject(first), ...rest.map(subject)];
}
