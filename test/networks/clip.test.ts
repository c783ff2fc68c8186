/** CLIP's text model from its folder gives what Transformers' class gives. */
import { describe, expect, it } from "vitest";
import { textNetwork } from "../../compiler/networks/text/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { modelFiles } from "../support/model-files.js";
import { casesOf, changeFixture, evaluateCase, expectNear, fixtureFolder } from "./fixture.js";

const files = modelFiles();

const open = (folder: string) => textNetwork(folder, "FluxPipeline");

describe.each(["clip-old", "clip-new"])("%s", (name) => {
  const cases = casesOf(name);
  const graph = open(fixtureFolder(name)).build();

  it("has the inputs and outputs of its ONNX export", () => {
    expect(graph.inputs).toEqual(["input_ids"]);
    expect(graph.outputs).toEqual(["last_hidden_state", "pooler_output"]);
    expect(graph.types.get("last_hidden_state")?.shape).toEqual([1, 20, 16]);
    expect(graph.types.get("pooler_output")?.shape).toEqual([1, 16]);
  });

  it.each(cases.map((given, i) => [i, given] as const))("case %i", (_, given) => {
    const found = evaluateCase(graph, given);
    for (const output of graph.outputs) expectNear(found.get(output), given.get(output), 1e-4);
  });

  it("is the same under names that begin with text_model., beside tensors that nothing reads", () => {
    const folder = changeFixture(files.root, name, `${name}-prefixed`, (tensors) => {
      const ids: Tensor = { dtype: "i64", shape: [1, 2], data: BigInt64Array.of(0n, 1n) };
      return new Map([
        ...[...tensors].map(([key, tensor]) => [`text_model.${key}`, tensor] as const),
        ["text_model.embeddings.position_ids", ids],
        ["text_projection.weight", { dtype: "f32", shape: [1], data: Float32Array.of(1) } as const],
      ]);
    });
    const [given] = cases;
    if (given === undefined) throw new Error("no case");
    expectNear(
      evaluateCase(open(folder).build(), given).get("pooler_output"),
      given.get("pooler_output"),
      1e-4,
    );
  });
});

describe("a folder that is not CLIP's", () => {
  const plain = (tensors: Map<string, Tensor>) => tensors;

  it.each([
    [
      "another activation",
      { hidden_act: "gelu_fast" },
      /hidden_act.*\n.*expected.*quick_gelu.*\n.*gelu_fast/,
    ],
    [
      "another kind",
      { model_type: "siglip_text_model" },
      /model_type[\s\S]*CLIP's text model[\s\S]*siglip_text_model/,
    ],
  ])("refuses %s by name", (what, settings, message) => {
    const folder = changeFixture(files.root, "clip-new", what, plain, settings);
    expect(() => open(folder)).toThrow(expect.objectContaining({ code: "TRITC_E_NETWORK" }));
    expect(() => open(folder)).toThrow(message);
  });

  it.each([
    ["heads that do not divide", { num_attention_heads: 3 }, /num_attention_heads/],
    ["a size that is no number", { hidden_size: "16" }, /hidden_size/],
  ])("refuses %s", (what, settings, message) => {
    const folder = changeFixture(files.root, "clip-new", what, plain, settings);
    expect(() => open(folder)).toThrow(expect.objectContaining({ code: "TRITC_E_CHECKPOINT" }));
    expect(() => open(folder)).toThrow(message);
  });

  it.each([
    [
      "a missing tensor",
      (tensors: Map<string, Tensor>) => {
        tensors.delete("encoder.layers.1.mlp.fc2.bias");
        return tensors;
      },
      /fc2\.bias.*missing/,
    ],
    [
      "a tensor of another shape",
      (tensors: Map<string, Tensor>) => {
        tensors.set("final_layer_norm.bias", { dtype: "f32", shape: [4], data: new Float32Array(4) });
        return tensors;
      },
      /final_layer_norm\.bias[\s\S]*\[16\][\s\S]*\[4\]/,
    ],
    [
      "a layer's tensor without use",
      (tensors: Map<string, Tensor>) => {
        tensors.set("encoder.layers.0.mlp.fc2.absmax", {
          dtype: "f32",
          shape: [1],
          data: new Float32Array(1),
        });
        return tensors;
      },
      /no use for[\s\S]*absmax/,
    ],
  ] as const)("refuses %s", (what, edit, message) => {
    const network = open(changeFixture(files.root, "clip-new", what, edit));
    expect(() => network.build()).toThrow(expect.objectContaining({ code: "TRITC_E_CHECKPOINT" }));
    expect(() => network.build()).toThrow(message);
  });
});
