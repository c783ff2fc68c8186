import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, NodeOf, ValueId } from "../../ir/graph/graph.js";
import { someOf } from "../diffusers/errors.js";
import { diffusersNames, originalNames } from "../diffusers/modules.js";
import { rowsOf } from "../graph/rows-of.js";
import { loraError } from "./errors.js";
import type { LoraAdapter, LoraUpdate } from "./read.js";
import { type RowRange, rowRanges } from "./targets.js";

/** An update of some rows of a linear's weight. */
export interface RowUpdate extends RowRange {
  readonly up: Constant;
  readonly down: Constant;
  readonly scale: number;
}

/** What becomes of an adapter. */
export interface LoraReport {
  readonly file: string;
  readonly scale: number;
  /** Updates that were merged. */
  readonly merged: number;
  /** Tensors that have no place in this model: other modules, biases, text encoders. */
  readonly leftOut: readonly string[];
}

export interface LoraPlan {
  /** In the order of the adapters. */
  readonly updates: readonly RowUpdate[];
  readonly reports: readonly LoraReport[];
}

/** Which rows of which linears the updates of adapters are for. Throws TRITC_E_LORA. */
export function planLora(graph: Graph, adapters: readonly LoraAdapter[]): LoraPlan {
  const { model } = graph;
  if (model === undefined) {
    throw loraError({
      place: adapters[0]?.file ?? "--lora",
      message: "an adapter can be merged into a FLUX transformer only",
      expected: "a model in which `tritc inspect` recognizes its blocks",
      found: "a generic graph",
      remedy: "compile the model without --lora",
    });
  }
  const ranges = rowRanges(graph);
  const widths = inputWidths(graph);
  const modules = new Map(
    [...diffusersNames(model).modules, ...originalNames(model).modules].map(({ name, roles }) => [
      flat(name),
      roles,
    ]),
  );
  const updates: RowUpdate[] = [];
  const reports = adapters.map((adapter): LoraReport => {
    const leftOut = [...adapter.others];
    let merged = 0;
    for (const update of adapter.updates) {
      const roles = modules.get(flat(update.module));
      const found = roles?.map((role) => ranges.get(role));
      const rows = found?.filter((range) => range !== undefined);
      if (roles === undefined || rows === undefined || rows.length !== roles.length) {
        leftOut.push(update.tensor);
        continue;
      }
      updates.push(...rowUpdates(update, rows, widths, adapter.file));
      merged++;
    }
    if (merged === 0) throw nothingMatches(adapter);
    return { file: adapter.file, scale: adapter.scale, merged, leftOut };
  });
  return { updates, reports };
}

/** Kohya's names have underscores where modules have dots. */
function flat(name: string): string {
  return name.replaceAll(".", "_");
}

function inputWidths(graph: Graph): ReadonlyMap<ValueId, number> {
  const linears = graph.nodes.filter((node): node is NodeOf<"linear"> => node.op === "linear");
  return new Map(
    linears.map((node) => [
      node.outputs[0] ?? "",
      Number(graph.types.get(node.inputs[1] ?? "")?.shape?.[1] ?? 0),
    ]),
  );
}

/** The rows of a module's update, shared among the linears that its rows are for. */
function rowUpdates(
  { up, down, scale, tensor }: LoraUpdate,
  ranges: readonly RowRange[],
  widths: ReadonlyMap<ValueId, number>,
  file: string,
): RowUpdate[] {
  const rows = ranges.reduce((sum, { count }) => sum + count, 0);
  const columns = widths.get(ranges[0]?.linear ?? "") ?? 0;
  if (up.shape[0] !== rows || down.shape[1] !== columns) {
    throw loraError({
      place: `${file}: ${tensor}`,
      message: "the adapter is for a model of another size",
      expected: `an update of [${rows}, ${columns}]`,
      found: `[${up.shape[0]}, ${down.shape[1]}]`,
    });
  }
  let first = 0;
  return ranges.map((range) => {
    const part = rowsOf(up, first, range.count);
    first += range.count;
    return { ...range, up: part, down, scale };
  });
}

function nothingMatches({ file, updates, others }: LoraAdapter) {
  const names = [...updates.map(({ tensor }) => tensor), ...others];
  return loraError({
    place: file,
    message: "none of the adapter's tensors belongs to this model",
    expected:
      "names such as transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight or " +
      "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight",
    found: someOf(names) || "no tensors",
  });
}
