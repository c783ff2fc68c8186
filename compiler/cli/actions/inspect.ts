import { familyOf } from "../../../ir/models/index.js";
import type { TernaryStorage } from "../../../ir/ternary/storage.js";
import type { Activations, AttentionProducts, Target } from "../../../targets/index.js";
import { targetByName } from "../../../targets/index.js";
import { fileReader } from "../../file-reader.js";
import type { Inspection } from "../../inspect.js";
import type { PipelinePlan } from "../../networks/plan.js";
import type { TextWeights } from "../../networks/text-weights.js";
import type { Group, Ternarize } from "../../pass.js";
import type { StoredKind } from "../../stored-kinds.js";
import { formatBytes, formatCount, formatFactor, formatQuantity, formatShare } from "../../units.js";
import type { HubOptions } from "../hub-options.js";
import { refuseBundle } from "../is-bundle.js";
import { loaded } from "../loaded.js";
import { lookAt } from "../model-path.js";
import type { CommonOptions, PlanOptions } from "../options.js";
import { pipelineRows } from "../pipeline-text.js";
import { describeFit, describePasses, describePlans } from "../plan-text.js";
import { Terminal, table } from "../terminal.js";

export interface InspectOptions extends CommonOptions, PlanOptions, HubOptions {
  readonly target?: string;
  readonly ternarize: Ternarize;
  readonly group?: Group;
  readonly residualRank: number;
  readonly activations?: Activations;
  readonly attention: AttentionProducts;
  readonly storage: TernaryStorage;
  readonly textWeights?: TextWeights;
}

export async function inspectModel(given: string, options: InspectOptions): Promise<void> {
  refuseBundle(given, "inspect");
  const target = options.target === undefined ? undefined : targetByName(options.target);
  const { value, text } = await lookAt(given, options, (path) => inspected(path, target, options));
  new Terminal(options).result(value, text);
}

async function inspected(
  path: string,
  target: Target | undefined,
  options: InspectOptions,
): Promise<{ readonly value: object; readonly text: string }> {
  const [{ inspectGraph }, { storedKinds }, { importModel }, { recognition }] = await loaded(
    Promise.all([
      import("../../inspect.js"),
      import("../../stored-kinds.js"),
      import("../../import-model.js"),
      import("../../recognize/recognition.js"),
    ]),
    options,
  );
  const reader = fileReader();
  try {
    const imported = importModel(path);
    const found = recognition(imported, reader);
    const recognized = found.graph;
    const inspection = { ...inspectGraph(found, reader), kinds: storedKinds(imported) };
    if (target === undefined) return { value: inspection, text: describe(inspection) };
    const [
      { findGroups },
      { planModel },
      { manifestMemory },
      { pipelineConfigOf, pipelineFolder },
      { planPipeline },
      { drawingOf },
    ] = await loaded(
      Promise.all([
        import("../../find-groups.js"),
        import("../../account/plan-model.js"),
        import("../../account/size-plan.js"),
        import("../../bundle/pipeline-files.js"),
        import("../../networks/plan.js"),
        import("../../drawing.js"),
      ]),
      options,
    );
    const groups = new Terminal(options).progress("groups", "weights");
    const wanted = options.ternarize === "none" ? "row" : (options.group ?? "auto");
    const group = await findGroups(recognized, reader, wanted, groups.update).finally(groups.stop);
    const pictures = {
      pipeline: recognized.model === undefined ? undefined : pipelineConfigOf(path),
      resolutions: options.resolution,
      textLength: options.textLength,
      references: options.references,
    };
    const { account } = planModel(imported, recognized, reader, {
      ...pictures,
      target,
      memoryLimit: options.memoryLimit,
      promptWeights: options.promptWeights,
      ternarize: options.ternarize,
      group,
      residualRank: options.residualRank,
      activations: options.activations ?? target.activations[0] ?? "f32",
      attention: options.attention,
      storage: options.storage,
    });
    const { plans, limitBytes, fit, bothPasses } = account;
    const planned = manifestMemory(plans, limitBytes, fit.promptWeights ?? "stream");
    const folder = pipelineFolder(path, undefined);
    const drawing = drawingOf(recognized, pictures);
    const taken = plans.map(({ memory }) => memory[planned.promptWeights].peak);
    const pipeline =
      folder === undefined || drawing === null
        ? null
        : planPipeline(folder, reader, Math.max(0, ...taken), {
            ...{ target, drawing, limitBytes, textWeights: options.textWeights },
          });
    const floors = plans.map(({ stepFloor }) => stepFloor);
    const texts = [
      describe(inspection),
      describePlans(planned, floors),
      describeFit(fit, limitBytes),
      bothPasses === null ? "" : `Both passes of guidance run ${describePasses(bothPasses, limitBytes)}.`,
      describePipeline(pipeline, limitBytes),
    ];
    const plan = { target: target.name, ...planned, ...fit, bothPasses, stepFloors: floors, pipeline };
    return { value: { ...inspection, plan }, text: texts.filter((text) => text !== "").join("\n\n") };
  } finally {
    reader.close();
  }
}

function describePipeline(pipeline: PipelinePlan | null, limitBytes: number | null): string {
  if (pipeline === null) return "";
  if (pipeline.lacks !== null) return `The pipeline cannot be compiled: ${pipeline.lacks}`;
  return table(pipelineRows(pipeline.networks, pipeline.residency, limitBytes));
}

function describe(found: Inspection & { readonly kinds: readonly StoredKind[] }): string {
  const { model, storage } = found;
  const below = (bytes: number) => `${formatFactor(storage.bf16, bytes)} below bf16`;
  const facts: [string, string][] = [
    [
      "model",
      model === null
        ? "not recognized as a FLUX transformer"
        : `${familyOf(model).title} transformer: ${model.doubleBlocks} double and ${model.singleBlocks} single blocks, width ${model.hidden}, ` +
          `${model.heads} heads of ${model.headDim}, MLP ${model.mlpWidth}`,
    ],
  ];
  if (found.stopped !== null) {
    const { place, expected, found: there } = found.stopped;
    facts.push(["stopped at", `${place}: ${there}, expected ${expected}`]);
  }
  if (model !== null) {
    const pooled = model.pooledDim === null ? "no pooled text" : `pooled ${model.pooledDim}`;
    facts.push(
      ["latents", `${model.inChannels} channels in, ${model.outChannels} out`],
      ["conditioning", `context ${model.contextDim}, ${pooled}, ${model.guidance ? "with" : "no"} guidance`],
      ["rope", `axes ${model.ropeAxes.join(" + ")}, theta ${model.ropeTheta}`],
    );
  }
  if (found.kinds.length > 0) {
    facts.push(["tensors", found.kinds.map(({ kind, tensors }) => `${kind} x${tensors}`).join(", ")]);
  }
  facts.push(
    ["parameters", formatCount(found.parameters)],
    [
      "ternary",
      `${formatCount(found.ternaryWeights)} weights of the block linears, ${formatShare(found.ternaryShare, 1)}`,
    ],
    ...found.ternaryAlready.map(({ group, linears }): [string, string] => [
      "already so",
      `${formatQuantity(linears, "linear")}, a scale for each ${group === null ? "row" : `${group} inputs`}`,
    ]),
    [
      "storage",
      `${formatBytes(storage.source)} as stored, ${formatBytes(storage.bf16)} in bf16, ${formatBytes(storage.ternary)} ternary (${below(storage.ternary)}), ${formatBytes(storage.twoBit)} in 2-bit codes (${below(storage.twoBit)})`,
    ],
    [
      "unrecognized",
      found.unrecognized.length === 0
        ? "none"
        : found.unrecognized.map((u) => `${u.op} x${u.count}`).join(", "),
    ],
  );
  const linears = found.linears.map((g) => [
    g.role,
    g.count,
    g.inFeatures,
    g.outFeatures,
    formatCount(g.weights),
  ]);
  return [
    table(facts),
    "",
    table([["input", "role", "type"], ...found.inputs.map((i) => [i.name, i.role ?? "-", i.type])]),
    "",
    table([["linear", "count", "in", "out", "weights"], ...linears]),
  ].join("\n");
}
