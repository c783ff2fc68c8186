import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { recognize } from "../../compiler/compile-graph.js";
import { importModel } from "../../compiler/import-model.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { reader } from "../recognize/models.js";
import { diffusersConfig, fluxModel, type Tensors, writeDiffusers } from "../support/diffusers-model.js";
import { fluxInputs } from "../support/flux-builder.js";
import { type FluxInput, type FluxSize, type FluxStyle, TINY, TORCHSCRIPT } from "../support/flux-style.js";
import type { ModelFiles } from "../support/model-files.js";

/** A FLUX of sizes that Diffusers' own class has too: four times the width in its MLPs, 256 frequencies. */
const SIZE: FluxSize = { ...TINY, singles: 1, mlp: 128, frequencies: 256 };

/** Adapters by case; see `oracles/make.py`. */
export const ORACLES = join(import.meta.dirname, "oracles");

/** The model that the adapters in `oracles/` were made for, as the folder of a transformer. */
export function oracleFolder(files: ModelFiles): string {
  return folderOf(files, fluxModel(SIZE).diffusers);
}

/** A model of those sizes as an ONNX export in some style and as a folder, recognized. */
export function styledModel(
  files: ModelFiles,
  style: FluxStyle,
): { readonly onnx: Graph; readonly folder: Graph } {
  const { onnx, diffusers } = fluxModel(SIZE, 1, undefined, style);
  return {
    onnx: recognize(importModel(files.save(onnx)), reader),
    folder: recognize(importModel(folderOf(files, diffusers)), reader),
  };
}

function folderOf(files: ModelFiles, tensors: Tensors): string {
  const folder = mkdtempSync(join(files.root, "folder-"));
  writeDiffusers(folder, diffusersConfig(SIZE), tensors, 1);
  return folder;
}

/** The inputs of `oracles/`, by role. */
export function oracleInputs(): ReadonlyMap<FluxInput, Tensor> {
  const given = fluxInputs(TORCHSCRIPT, SIZE, { img: 6, txt: 5 }, { timestep: 0.75, guidance: 3.5 });
  return new Map(
    TORCHSCRIPT.inputs.map(([role, name]) => {
      const { dims, values } = given[name] ?? { dims: [], values: [] };
      return [role, { dtype: "f32", shape: dims, data: Float32Array.from(values) }];
    }),
  );
}
