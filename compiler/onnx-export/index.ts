import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { halfType } from "../../ir/constant/words.js";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { ModelDescription } from "../../ir/models/index.js";
import type { WorkFolder } from "../bundle/work-folder.js";
import { calibratedModel, checkCalibrated } from "../gptq/calibrated.js";
import { checkGroup, newGroups } from "../group.js";
import { modelName } from "../model-name.js";
import type { Group, Ternarize } from "../pass.js";
import { packageVersion } from "../version.js";
import { usage } from "./errors.js";
import { dataFileOf, type WrittenModel, writeModelFiles } from "./files.js";
import { lowestOpset, OPSETS, type WeightForm, type WeightType } from "./format.js";
import { writeGraph } from "./graph.js";
import { checkExportPath, modelFileOf, publishExport } from "./publish.js";
import { type ExportSource, readBundleSource, readModelSource } from "./source.js";

export type { WeightForm, WeightType } from "./format.js";

export type ExportPhase = "groups" | "calibrating" | "exporting";

export interface ExportOptions {
  /** A model as `compileModel` takes it, or a bundle. */
  readonly input: string;
  /** A folder for `model.onnx` and `model.onnx_data`; or, if it ends in `.onnx`, the model file, its data beside it. */
  readonly out: string;
  /** `dequantized` if absent. */
  readonly weights?: WeightForm;
  /** How a model's block weights become ternary: `exact` if absent. Those of a bundle are ternary already. */
  readonly ternarize?: Ternarize | "calibrated";
  /** Inputs of a row that share a scale; see `compileModel`. */
  readonly group?: Group;
  /** A folder that `calibrate` wrote with moments; needed for `calibrated` alone. */
  readonly calibration?: string | undefined;
  /** Element type of dequantized weights; that of the source's block weights if absent, f32 for bundles. */
  readonly type?: WeightType;
  /** 21, or 25 for 2-bit weights, if absent. */
  readonly opset?: number;
  /** Of calibrating; all processors if absent. */
  readonly threads?: number | undefined;
  /** Remarks for people. */
  readonly onNotice?: (text: string) => void;
  /** Weights that are looked through for groups, or rows of weights that are calibrated, then tensors that are written. */
  readonly onProgress?: ((phase: ExportPhase, done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ExportReport {
  /** The model file and its data file, if it has one. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly weights: WeightForm;
  /** Null where weights are codes. */
  readonly type: WeightType | null;
  readonly opset: number;
  readonly model: ModelDescription | null;
  readonly ternaryWeights: number;
  /** Whether the file takes any number of samples at once. */
  readonly dynamicBatch: boolean;
  readonly nodes: number;
  readonly seconds: number;
}

/**
 * Writes a model with ternary weights as ONNX, in standard operators, for other runtimes. Memory stays bounded: weights
 * stream from the source. Nothing is left at `out` unless all of it succeeds.
 * Throws TRITC_E_USAGE, TRITC_E_OUT, TRITC_E_OUT_EXISTS, TRITC_E_NOT_FLUX, those of `calibratedModel`, TritcErrors of the importer, the passes and the bundle reader,
 * TRITC_E_UNSUPPORTED_OP, TRITC_E_WEIGHT_NOT_FINITE, TRITC_E_EXPORT_OVERFLOW and TRITC_E_SYSTEM.
 */
export async function exportOnnx(options: ExportOptions): Promise<ExportReport> {
  const { out } = options;
  const form = options.weights ?? "dequantized";
  const opset = checkedOpset(form, options.opset);
  if (form !== "dequantized" && options.type !== undefined) {
    throw usage(
      "codes have no float type",
      "--type with --weights dequantized",
      `--type ${options.type} --weights ${form}`,
      "leave one of them out",
    );
  }
  const { ternarize = "exact", calibration, signal, onNotice } = options;
  checkCalibrated({ ternarize, calibration });
  checkGroup({ ternarize, group: options.group });
  await checkExportPath(out);
  const keep = calibration === undefined ? [] : [modelFileOf(out)];
  return publishExport(out, { keep, signal, onNotice }, (work, name) =>
    exportInto(work, name, options, { form, opset }),
  );
}

async function exportInto(
  work: WorkFolder,
  name: string,
  options: ExportOptions,
  { form, opset }: { readonly form: WeightForm; readonly opset: number },
): Promise<ExportReport> {
  const started = performance.now();
  const { input, out, calibration, signal } = options;
  const source = await readSource(options);
  try {
    const { reader, ports } = source;
    const graph = calibration === undefined ? source.graph : await calibrated(source, calibration);
    const type = options.type ?? sourceType(graph);
    const onnx = writeGraph(graph, { form, type, reader, ...ports });
    await setImmediate();
    signal?.throwIfAborted();
    const written: WrittenModel = await writeModelFiles(
      join(work.bundle, name),
      { name: graph.name, opset, producerVersion: packageVersion(), graph: onnx },
      { signal, onProgress: (done, total) => options.onProgress?.("exporting", done, total) },
    );
    const path = modelFileOf(out);
    const data = { path: dataFileOf(path), bytes: written.dataBytes };
    return {
      files: [{ path, bytes: written.modelBytes }, ...(written.dataBytes > 0 ? [data] : [])],
      weights: form,
      type: form === "dequantized" ? type : null,
      opset,
      model: graph.model ?? null,
      ternaryWeights: graph.nodes.filter(({ op }) => op === "ternary-linear" || op === "ternary-qkv").length,
      dynamicBatch: ports.dynamicBatch,
      nodes: onnx.nodes.length,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    source.reader.close();
  }

  function readSource({ ternarize, group }: ExportOptions): Promise<ExportSource> {
    if (!existsSync(join(input, MANIFEST_FILE))) {
      return readModelSource(input, modelName(input), ternarize ?? "exact", group, (done, total) => {
        signal?.throwIfAborted();
        options.onProgress?.("groups", done, total);
      });
    }
    const given = ternarize === undefined ? (group === undefined ? undefined : "--group") : "--ternarize";
    if (given === undefined) return readBundleSource(input);
    throw usage(
      "a bundle's weights are ternary already",
      `${given} with a model`,
      `${given} ${ternarize ?? group} with a bundle`,
      `leave ${given} out, or export the model that the bundle was compiled from`,
    );
  }

  async function calibrated({ graph, reader }: ExportSource, folder: string): Promise<Graph> {
    const model = await calibratedModel(graph, folder, work.prepared, newGroups(options.group));
    const { threads, onNotice, onProgress } = options;
    model.requireSource(reader);
    await model.prepare({
      ...{ reader, signal, threads, resume: true, onNotice },
      onKept: () => {
        work.isWorthKeeping = true;
      },
      onProgress: (done, total) => onProgress?.("calibrating", done, total),
    });
    return model.graph;
  }
}

function checkedOpset(form: WeightForm, given: number | undefined): number {
  const lowest = lowestOpset(form);
  const opset = given ?? lowest;
  if (opset >= lowest && OPSETS.includes(opset)) return opset;
  throw usage(
    `${form} weights are not written in this opset`,
    `--opset from ${lowest} to ${OPSETS.at(-1)}`,
    `--opset ${opset}`,
    form === "2bit"
      ? "choose another opset, or --weights 4bit for runtimes before opset 25"
      : "choose another opset",
  );
}

/** The 16-bit float type that the ternary weights had in the source; f32 if they had another or several. */
function sourceType(graph: Graph): WeightType {
  const types = new Set<WeightType>();
  for (const { source } of graph.constants.values()) {
    if (source.kind === "ternary-codes") types.add(halfType(source.of) ?? "f32");
  }
  const [type = "f32"] = types;
  return types.size === 1 ? type : "f32";
}
