/** Adapters as PEFT, Diffusers and LyCORIS save them give what PyTorch gives with them; see `oracles/make.py`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { recognize, withAdapters } from "../../compiler/compile-graph.js";
import { importModel } from "../../compiler/import-model.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { reader } from "../recognize/models.js";
import { type FluxStyle, STYLES, TORCHSCRIPT } from "../support/flux-style.js";
import { modelFiles } from "../support/model-files.js";
import { relativeError } from "../support/run-compiled.js";
import { ORACLES, oracleFolder, oracleInputs, styledModel } from "./oracle-model.js";

const CASES = readdirSync(ORACLES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** How many modules of each form a case has. */
const FORMS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  control: { LoRA: 3, norm: 3 },
  "diffusers-metadata": { LoRA: 4 },
  kohya: { LoRA: 4 },
  "lycoris-dora-columns": { DoRA: 3 },
  "lycoris-dora-rows": { DoRA: 3 },
  "lycoris-full": { difference: 3 },
  "lycoris-glora": { GLoRA: 3 },
  "lycoris-ia3": { IA3: 3 },
  "lycoris-ia3-input": { IA3: 3 },
  "lycoris-locon": { LoRA: 3 },
  "lycoris-loha": { "LoHa with DoRA": 3 },
  "lycoris-lokr": { LoKr: 3 },
  "lycoris-lokr-both": { LoKr: 3 },
  "lycoris-lokr-full": { LoKr: 3 },
  "lycoris-oft": { OFT: 3 },
  narrow: { LoRA: 2 },
  "peft-bias-all": { LoRA: 1, bias: 29 },
  "peft-dora": { DoRA: 4 },
  "peft-dora-half": { DoRA: 2 },
  "peft-ia3": { IA3: 3 },
  "peft-loha": { LoHa: 3 },
  "peft-lokr": { LoKr: 3 },
  "peft-lora-bias": { LoRA: 4 },
  "peft-modules-to-save": { LoRA: 1, "new weight": 2, norm: 2 },
  "peft-oft": { OFT: 2 },
  "peft-oft-exact": { OFT: 2 },
  "peft-patterns": { LoRA: 5 },
  "peft-rslora": { LoRA: 4 },
  xlabs: { LoRA: 6 },
};

function load(name: string, file: string): ReadonlyMap<string, Tensor> | undefined {
  const path = join(ORACLES, name, file);
  return existsSync(path) ? parseSafetensors(readFileSync(path)) : undefined;
}

/** The adapter as a user would give it: a file, or the folder of PEFT or Diffusers. */
function requestOf(name: string) {
  const path = join(ORACLES, name);
  const single = ["lora.safetensors", "pytorch_lora_weights.safetensors"].find((f) =>
    existsSync(join(path, f)),
  );
  const scale = existsSync(join(path, "scale")) ? Number(readFileSync(join(path, "scale"), "utf8")) : 1;
  return { file: single === "lora.safetensors" ? join(path, single) : path, scale };
}

/** The one output of a model for a case's inputs. */
function evaluate(graph: Graph, name: string, style: FluxStyle): Tensor | undefined {
  const own = load(name, "in.safetensors")?.get("hidden_states");
  const values = oracleInputs();
  const inputs = style.inputs.map(([role, id]): [string, Tensor | undefined] => {
    const tensor = role === "latents" ? (own ?? values.get(role)) : values.get(role);
    if (tensor === undefined || !role.endsWith("-ids")) return [id, tensor];
    const shape = style.idRank === 3 ? [1, ...tensor.shape] : tensor.shape;
    if (graph.types.get(id)?.dtype !== "i64") return [id, { ...tensor, shape }];
    return [id, { dtype: "i64", shape, data: BigInt64Array.from(tensor.data as Float32Array, BigInt) }];
  });
  return [...interpret(graph, new Map(inputs.filter(isKnown)), { reader }).values()][0];
}

function isKnown(input: [string, Tensor | undefined]): input is [string, Tensor] {
  return input[1] !== undefined;
}

const files = modelFiles();
const folder = recognize(importModel(oracleFolder(files)), reader);

it("has a form for every case", () => expect(Object.keys(FORMS).sort()).toEqual([...CASES].sort()));

describe("a Diffusers folder", () => {
  it.each(CASES)("with %s", (name) => {
    const wanted = load(name, "expected.safetensors")?.get("sample");
    const { graph, reports } = withAdapters(folder, [requestOf(name)], reader);
    expect(relativeError(evaluate(graph, name, TORCHSCRIPT), wanted)).toBeLessThan(1e-4);
    expect(reports[0]?.forms).toEqual(FORMS[name]);
    expect(reports[0]?.absent).toEqual([]);
    const left = name === "kohya" ? [/lora_down\.weight$/, /lora_up\.weight$/] : [];
    expect(reports[0]?.leftOut).toEqual(left.map((pattern) => expect.stringMatching(pattern) as string));
  });
});

const FUSED = { ...TORCHSCRIPT, qkv: "fused-split", single: "linear1-parts", linear: "transposed" } as const;

describe.each([
  ["an export", TORCHSCRIPT],
  ["an export in the original formulation", { ...TORCHSCRIPT, ...STYLES["original implementation"] }],
  ["an export with joined linears", FUSED],
])("%s", (_, style) => {
  const model = styledModel(files, style);

  it.each([
    "lycoris-dora-columns",
    "lycoris-lokr",
    "lycoris-oft",
    "peft-dora-half",
    "peft-lora-bias",
    "peft-modules-to-save",
    "peft-oft",
    "xlabs",
    "narrow",
    "control",
  ])("with %s is what the same weights are in a folder", (name) => {
    const merged = (graph: Graph) => withAdapters(graph, [requestOf(name)], reader).graph;
    const wanted = evaluate(merged(model.folder), name, TORCHSCRIPT);
    expect(relativeError(evaluate(merged(model.onnx), name, style), wanted)).toBeLessThan(1e-4);
    if (name === "control") return;
    expect(relativeError(evaluate(model.folder, name, TORCHSCRIPT), wanted)).toBeGreaterThan(1e-3);
  });
});
