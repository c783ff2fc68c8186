import type { ManifestMemory } from "../../ir/format/manifest.js";
import type { ModelDescription } from "../../ir/models/index.js";
import { launchesThatRun, stepLaunches } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { launchWork, totalWork, type Work } from "../../ir/program/work.js";
import type { Target } from "../../targets/index.js";
import type { SizePlan } from "../account/size-plan.js";
import { type StoredTensor, storageOf } from "../account/tensor-bytes.js";
import { stepTimeline } from "../account/timeline.js";
import { printResolution } from "../resolutions.js";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFactor,
  formatOperations,
  formatQuantity,
  formatShare,
} from "../units.js";
import { type Bar, barChart, timelineChart } from "./charts.js";
import { layersOf } from "./layers.js";
import { type Fill, renderChart, renderPage, renderTable, type Section } from "./markup.js";
import { type PipelineStages, pipelineSection } from "./pipeline-section.js";

/** A program on a target, planned. */
export interface ReportSubject {
  readonly target: Target;
  readonly program: Program;
  readonly tensors: readonly StoredTensor[];
  readonly plans: readonly SizePlan[];
  readonly limitBytes: ManifestMemory["limitBytes"];
  readonly promptWeights: PromptWeightsPolicy;
  /** The programs of its pipeline; null where there is none. */
  readonly pipeline: PipelineStages | null;
}

export interface ReportOptions {
  /** Name of the model or bundle. */
  readonly name: string;
  readonly activations: string;
  readonly ternarize: string;
}

/**
 * One HTML page that loads nothing: storage and memory against the model in bf16, who holds what over a step, work by
 * kernel family, and every layer. Details are those of the first subject.
 */
export function renderReport(
  subjects: readonly [ReportSubject, ...ReportSubject[]],
  options: ReportOptions,
): string {
  const [first] = subjects;
  const plan = first.plans.at(0);
  const sections: Section[] = [storageSection(first), memorySection(subjects), peakTable(subjects)];
  for (const { target, pipeline } of subjects) {
    if (pipeline !== null)
      sections.push(...pipelineSection(pipeline, subjects.length > 1 ? target.name : undefined));
  }
  if (plan !== undefined)
    sections.push(timelineSection(first, plan), holderSection(first, plan), workSection(first, plan));
  sections.push(layerSection(first));
  return renderPage(`tritc report: ${options.name}`, summary(first, options), sections);
}

function summary({ program: { model }, target }: ReportSubject, options: ReportOptions): string {
  const what =
    model === null
      ? "A graph that is no FLUX transformer"
      : `${model.doubleBlocks} double and ${model.singleBlocks} single blocks of width ${model.hidden}, ${formatCount(model.parameters)} parameters`;
  return `${what}; ternary weights: ${options.ternarize}, activations: ${options.activations}, details for the target ${target.name}.`;
}

const KIND_FILLS: Readonly<Record<string, Fill>> = {
  "ternary codes": "codes",
  "dense weights": "dense",
  scales: "small",
  vectors: "rest",
};

function storageSection({ program: { model }, tensors }: ReportSubject): Section {
  const storage = storageOf(tensors);
  const bf16 = bf16Bar(model);
  const ratio = model === null ? "" : `${formatFactor(2 * model.parameters, storage.bytes)} less`;
  const parts = Object.entries(storage.byKind).map(([name, bytes]) => ({
    name,
    bytes,
    fill: KIND_FILLS[name] ?? ("rest" as const),
  }));
  const bars: Bar[] = [...bf16, { name: "weights.safetensors", parts, note: ratio }];
  return {
    heading: "Storage",
    note: "The model at two bytes a parameter, and the tensors of the bundle's weight file.",
    body: renderChart(barChart("Storage in bytes", bars, null)),
  };
}

function bf16Bar(model: ModelDescription | null): readonly Bar[] {
  if (model === null) return [];
  return [
    { name: "bf16", parts: [{ name: "bf16 weights", bytes: 2 * model.parameters, fill: "full" }], note: "" },
  ];
}

function memorySection(subjects: readonly ReportSubject[]): Section {
  const bars: Bar[] = [];
  const plans = subjects.flatMap(({ plans: of }) => of);
  const seen = new Set<string>();
  for (const { resolution, bf16 } of plans) {
    const size = sizeName(resolution);
    if (bf16 === null || seen.has(size)) continue;
    seen.add(size);
    bars.push({
      name: `bf16, ${size}`,
      parts: [
        { name: "bf16 weights", bytes: bf16.weights, fill: "full" },
        { name: "bf16 activations", bytes: bf16.activations, fill: "full-soft" },
      ],
      note: "",
    });
  }
  for (const subject of subjects) {
    for (const at of subject.plans) {
      for (const policy of ["keep", "stream"] as const) bars.push(memoryBar(subject, at, policy));
    }
  }
  const [first] = subjects;
  return {
    heading: "Peak device memory",
    note:
      "What the runtime allocates, to the byte, in the phase that takes most. Kept: all weights stay on the device. Streamed: those that only a prompt reads are there one after the other. bf16: two bytes a parameter and the activations of one step of the same model without ternary weights." +
      (first?.limitBytes == null
        ? ""
        : ` The dashed line is what the target has: ${formatBytes(first.limitBytes)}.`),
    body: renderChart(barChart("Peak device memory in bytes", bars, first?.limitBytes ?? null)),
  };
}

function memoryBar({ target, program }: ReportSubject, plan: SizePlan, policy: PromptWeightsPolicy): Bar {
  const { load, prompt, step, peak } = plan.memory[policy];
  const phase = [step, prompt, load].find(({ bytes }) => bytes === peak) ?? step;
  const kinds = new Map(program.buffers.map((buffer) => [buffer.id, buffer.storage.kind]));
  const bytes = { weights: 0, activations: 0, rest: 0 };
  for (const allocation of phase.allocations) {
    const kind = kinds.get(allocation.buffers[0] ?? "");
    if (kind === "weight" || kind === "resident" || kind === "staging") bytes.weights += allocation.bytes;
    else if (kind === undefined) bytes.rest += allocation.bytes;
    else bytes.activations += allocation.bytes;
  }
  const model = plan.bf16 === null ? null : plan.bf16.weights + plan.bf16.activations;
  return {
    name: `${target.name}, ${sizeName(plan.resolution)}, ${policy === "keep" ? "kept" : "streamed"}`,
    parts: [
      { name: "weights", bytes: bytes.weights, fill: "codes" },
      { name: "activations", bytes: bytes.activations, fill: "values" },
      { name: "launch words, alignment", bytes: bytes.rest, fill: "rest" },
    ],
    note: model === null ? "" : `${formatFactor(model, peak)} less`,
  };
}

function peakTable(subjects: readonly ReportSubject[]): Section {
  const rows = subjects.flatMap(({ target, plans, limitBytes }) =>
    plans.flatMap((plan) =>
      (["keep", "stream"] as const).map((policy) => {
        const { load, prompt, step, peak } = plan.memory[policy];
        return [
          target.name,
          sizeName(plan.resolution),
          policy === "keep" ? "kept" : "streamed",
          ...[load, prompt, step].map(({ bytes }) => formatCount(bytes)),
          formatCount(peak),
          limitBytes === null ? "-" : peak <= limitBytes ? "fits" : "does not fit",
        ];
      }),
    ),
  );
  return {
    heading: "Memory by phase, in bytes",
    note: "Load: once, while weights are unpacked. Prompt: once per prompt. Step: the denoising loop. The driver's context and the kernels' code are not in it.",
    body: renderTable(
      ["target", "size", "prompt weights", "#load", "#prompt", "#step", "#peak", "device"],
      rows,
    ),
  };
}

function timelineSection({ program, promptWeights }: ReportSubject, plan: SizePlan): Section {
  const kinds = new Map(program.buffers.map((buffer) => [buffer.id, buffer.storage.kind]));
  const allocated = plan.memory[promptWeights].step.allocations
    .filter(({ buffers: [id = ""] }) => /^(arena|host|state)$/.test(kinds.get(id) ?? ""))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  const moments = stepTimeline(program, plan.sizes);
  const kept =
    plan.references === 0
      ? ""
      : ` Keys and values of references are ${formatBytes(plan.references)} of what is computed once per prompt.`;
  return {
    heading: `Activations over the launches of a step, ${sizeName(plan.resolution)}`,
    note: `What is still to be read at each launch. The dashed line is what is allocated for it: buffers that are not alive together share memory. Point at a launch to see what it is and who holds most.${kept}`,
    body: renderChart(timelineChart("Activations over a step", moments, allocated)),
  };
}

function holderSection({ program, promptWeights }: ReportSubject, plan: SizePlan): Section {
  const { load, prompt, step, peak } = plan.memory[promptWeights];
  const names = { load, prompt, step };
  const [name = "step", phase = step] = Object.entries(names).find(([, { bytes }]) => bytes === peak) ?? [];
  const kinds = new Map(program.buffers.map((buffer) => [buffer.id, buffer.storage.kind]));
  const rows = [...phase.allocations]
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 40)
    .map(({ buffers, bytes }) => [
      buffers[0] ?? "launch words, alignment",
      kinds.get(buffers[0] ?? "") ?? "-",
      buffers.length > 1 ? `and ${buffers.length - 1} more` : "",
      formatCount(bytes),
      formatShare(bytes, phase.bytes),
    ]);
  return {
    heading: `Who holds what at the peak (${name}, ${sizeName(plan.resolution)})`,
    note: `The ${rows.length} largest of ${phase.allocations.length} pieces; prompt weights ${promptWeights === "keep" ? "kept" : "streamed"}.`,
    body: renderTable(["buffer", "kind", "shares its memory with", "#bytes", "#share"], rows),
  };
}

function workSection({ program }: ReportSubject, plan: SizePlan): Section {
  const rows = [
    ...familyRows("step", launchWork(program, stepLaunches(program), plan.sizes)),
    ...familyRows("prompt", launchWork(program, launchesThatRun(program, "prompt"), plan.sizes)),
  ];
  const floor =
    plan.stepFloor === null
      ? ""
      : ` At the target's peak rates a step takes at least ${formatDuration(plan.stepFloor)}.`;
  return {
    heading: `Operations and bytes by kernel family, ${sizeName(plan.resolution)}`,
    note: `A multiplication and an addition are two operations. Bytes are those that launches have to read and write at least.${floor}`,
    body: renderTable(["phase", "family", "#launches", "#int8", "#bf16", "#f32", "#read", "#written"], rows),
  };
}

function familyRows(
  phase: string,
  works: readonly (Work & { readonly family: string })[],
): readonly (readonly (string | number)[])[] {
  const families = new Map<string, (Work & { readonly family: string })[]>();
  for (const work of works) families.set(work.family, [...(families.get(work.family) ?? []), work]);
  const row = (name: string, of: readonly Work[]) => {
    const { operations, readBytes, writtenBytes } = totalWork(of);
    const { int8, bf16, f32 } = operations;
    return [
      phase,
      name,
      of.length,
      ...[int8, bf16, f32].map(formatOperations),
      ...[readBytes, writtenBytes].map(formatBytes),
    ];
  };
  return [...[...families].map(([family, of]) => row(family, of)), row("all", works)];
}

function layerSection({ program, tensors }: ReportSubject): Section {
  const layers = layersOf(program, storageOf(tensors).tensors);
  const rows = layers.map((layer) => [
    layer.role,
    `${layer.inFeatures} → ${layer.outFeatures}`,
    formatCount(layer.inFeatures * layer.outFeatures),
    layer.ternary ? `ternary${layer.group === null ? "" : `, groups of ${layer.group}`}` : "dense",
    formatCount(layer.storedBytes),
    formatCount(layer.deviceBytes),
  ]);
  return {
    heading: "Layers",
    note: `${formatQuantity(layers.length, "matrix", "matrices")}; layers that read one input are joined. Stored without scales and biases.`,
    body: renderTable(["layer", "shape", "#weights", "kind", "#stored bytes", "#device bytes"], rows),
  };
}

function sizeName(resolution: SizePlan["resolution"]): string {
  return resolution === null ? "its only size" : printResolution(resolution);
}
