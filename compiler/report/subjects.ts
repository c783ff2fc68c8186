import { join } from "node:path";
import type { ByteReader } from "../../ir/constant/constant.js";
import { PROGRAM_FILE } from "../../ir/format/manifest.js";
import { parseProgram } from "../../ir/program/json.js";
import { type Target, targetByName } from "../../targets/index.js";
import { type PlanRequest, planModel } from "../account/plan-model.js";
import { planSize } from "../account/size-plan.js";
import { ListedFiles } from "../bundle/listed-files.js";
import { pipelineConfigOf, pipelineFolder } from "../bundle/pipeline-files.js";
import { drawingOf, sizesOf } from "../drawing.js";
import { findGroups } from "../find-groups.js";
import { importModel } from "../import-model.js";
import type { NetworkPlanning } from "../networks/compile.js";
import { planPipeline } from "../networks/plan.js";
import { layoutWeights } from "../pack/weights-file.js";
import { recognition, requireFlux, TERNARY_NEEDS_FLUX } from "../recognize/recognition.js";
import { type PipelineStages, type Stage, sizeOf, stagesOfBundle } from "./pipeline-section.js";
import type { ReportOptions, ReportSubject } from "./report.js";

/** A bundle as it was planned when it was compiled. Its metadata are read and checked, not its weights. */
export function bundleSubject(folder: string): {
  readonly subject: ReportSubject;
  readonly options: Omit<ReportOptions, "name">;
} {
  const listed = new ListedFiles(folder);
  const { manifest } = listed;
  const program = parseProgram(listed.text(PROGRAM_FILE), join(folder, PROGRAM_FILE));
  const { sampling } = manifest;
  const target = targetByName(manifest.target);
  const plans = manifest.memory.plans.map(({ width, height, textTokens, steps, bf16 }) => {
    const resolution = width === null || height === null ? null : { width, height };
    const sizes = {
      ...(resolution === null || sampling === null ? {} : sizesOf({ sampling }, resolution)),
      ...(textTokens === null ? {} : { txt_tokens: textTokens }),
      ...(steps === null ? {} : { steps }),
    };
    return planSize(program, target, resolution, sizes, bf16);
  });
  const { limitBytes, promptWeights } = manifest.memory;
  const { tensors, options } = manifest;
  const pipeline = stagesOfBundle(folder, listed);
  return { subject: { target, program, tensors, plans, limitBytes, promptWeights, pipeline }, options };
}

/**
 * A model, with the networks of the pipeline that it lies in, as it would be compiled for targets; of its weights groups that they
 * hold are read alone.
 */
export async function modelSubjects(
  path: string,
  targets: readonly [Target, ...Target[]],
  reader: ByteReader,
  { textWeights, ...request }: Omit<PlanRequest, "target" | "group"> & Pick<NetworkPlanning, "textWeights">,
  onGroups?: (done: number, total: number) => void,
): Promise<readonly [ReportSubject, ...ReportSubject[]]> {
  const imported = importModel(path);
  const found = recognition(imported, reader);
  const recognized = found.graph;
  if (request.ternarize !== "none") requireFlux(found, TERNARY_NEEDS_FLUX);
  const pipeline = recognized.model === undefined ? undefined : pipelineConfigOf(path);
  const folder = recognized.model === undefined ? undefined : pipelineFolder(path, undefined);
  const drawing = drawingOf(recognized, { ...request, pipeline });
  const group = await findGroups(recognized, reader, request.ternarize === "none" ? "row" : "auto", onGroups);
  const subject = (target: Target): ReportSubject => {
    const planned = planModel(imported, recognized, reader, { ...request, group, pipeline, target });
    const { lowered, account } = planned;
    const { plans, limitBytes, fit } = account;
    const promptWeights = fit.promptWeights ?? "stream";
    const planning = { target, drawing, limitBytes, textWeights };
    const peaks = plans.map(({ memory }) => memory[promptWeights].peak);
    const own = { weightBytes: layoutWeights(lowered.tensors).fileBytes, peaks };
    const around =
      drawing === null || folder === undefined
        ? null
        : stagesAround(folder, reader, own, { ...planning, drawing });
    return {
      target,
      program: lowered.program,
      tensors: lowered.tensors,
      plans,
      limitBytes,
      promptWeights,
      pipeline: around,
    };
  };
  const [first, ...rest] = targets;
  return [subject(first), ...rest.map(subject)];
}

/** A transformer and the networks around it. */
function stagesAround(
  folder: string,
  reader: ByteReader,
  transformer: Omit<Stage, "name">,
  planning: NetworkPlanning,
): PipelineStages {
  const { drawing, limitBytes } = planning;
  const { networks, lacks } = planPipeline(folder, reader, Math.max(0, ...transformer.peaks), planning);
  return {
    sizes: drawing.resolutions.map(sizeOf),
    limitBytes,
    stages: [{ name: "transformer", ...transformer }, ...networks],
    lacks,
  };
}
