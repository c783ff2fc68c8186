/** Qwen3 as text encoder gives the hidden states that Transformers' class gives. */
import { describe, expect, it } from "vitest";
import { textNetwork } from "../../compiler/networks/text/index.js";
import { modelFiles } from "../support/model-files.js";
import { casesOf, changeFixture, evaluateCase, expectNear, fixtureFolder } from "./fixture.js";

const files = modelFiles();
const KLEIN = "Flux2KleinPipeline";

describe.each([
  ["qwen3-tied", "grouped keys and values, in bfloat16"],
  ["qwen3-last", "biases, and the last layer's states among those that are read"],
])("%s: %s", (name) => {
  const graph = textNetwork(fixtureFolder(name), KLEIN).build();

  it("has the inputs and outputs of its ONNX export", () => {
    expect(graph.inputs).toEqual(["input_ids", "attention_mask"]);
    expect(graph.outputs).toEqual(["prompt_embeds"]);
    expect(graph.types.get("prompt_embeds")?.shape).toEqual([1, "tokens", 24]);
  });

  it.each(casesOf(name).map((given, i) => [i, given] as const))("case %i", (_, given) => {
    const found = evaluateCase(graph, given).get("prompt_embeds");
    expectNear(found, given.get("prompt_embeds"), 1e-4);
  });
});

it("has no layer above the last that is read", () => {
  const folder = changeFixture(files.root, "qwen3-tied", "cut", (tensors) => {
    const above = /^model\.(layers\.27|norm)\.|^lm_head\./;
    return new Map([...tensors].filter(([name]) => !above.test(name)));
  });
  const graph = textNetwork(folder, KLEIN).build();
  expect([...graph.constants.keys()].filter((name) => name.startsWith("layers.27."))).toEqual([]);
});

it("reads tensors whose names begin otherwise", () => {
  const folder = changeFixture(files.root, "qwen3-tied", "bare", (tensors) => {
    return new Map([...tensors].map(([name, tensor]) => [name.replace(/^model\./, ""), tensor]));
  });
  const [given] = casesOf("qwen3-tied");
  if (given === undefined) throw new Error("no case");
  const found = evaluateCase(textNetwork(folder, KLEIN).build(), given);
  expectNear(found.get("prompt_embeds"), given.get("prompt_embeds"), 1e-4);
});

it.each([
  { rope_theta: 1e6, rope_scaling: null },
  { rope_theta: 1e6 },
  { rope_scaling: { type: "default" }, rope_theta: 1e6 },
  { rope_parameters: { rope_type: "default", rope_theta: 1e6, partial_rotary_factor: 1 }, rope_theta: 3 },
])("reads the base of its rotation from %j", (settings) => {
  const plain = { rope_parameters: undefined, ...settings };
  const folder = changeFixture(
    files.root,
    "qwen3-tied",
    JSON.stringify(settings),
    (tensors) => tensors,
    plain,
  );
  const [given] = casesOf("qwen3-tied");
  if (given === undefined) throw new Error("no case");
  const found = evaluateCase(textNetwork(folder, KLEIN).build(), given);
  expectNear(found.get("prompt_embeds"), given.get("prompt_embeds"), 1e-4);
});

it.each([
  [
    "scaled rotation",
    { rope_parameters: { rope_type: "yarn", factor: 4 } },
    "TRITC_E_NETWORK",
    /rope_type yarn/,
  ],
  [
    "older scaling",
    { rope_parameters: null, rope_scaling: { type: "linear" } },
    "TRITC_E_NETWORK",
    /rope_type linear/,
  ],
  [
    "rotation of a part",
    { rope_parameters: { rope_type: "default", partial_rotary_factor: 0.5 } },
    "TRITC_E_NETWORK",
    /partial_rotary_factor 0.5/,
  ],
  ["a window", { layer_types: ["full_attention", "sliding_attention"] }, "TRITC_E_NETWORK", /layer_types/],
  [
    "an older form of a window",
    { layer_types: null, use_sliding_window: true, sliding_window: 8 },
    "TRITC_E_NETWORK",
    /use_sliding_window/,
  ],
  ["too few layers", { num_hidden_layers: 26 }, "TRITC_E_CHECKPOINT", /num_hidden_layers[\s\S]*27/],
  ["heads that make no groups", { num_key_value_heads: 3 }, "TRITC_E_CHECKPOINT", /num_key_value_heads/],
  ["Mistral", { model_type: "mistral3" }, "TRITC_E_NETWORK", /mistral3/],
])("refuses %s by name", (what, settings, code, message) => {
  const folder = changeFixture(files.root, "qwen3-tied", what, (tensors) => tensors, settings);
  expect(() => textNetwork(folder, KLEIN)).toThrow(expect.objectContaining({ code }));
  expect(() => textNetwork(folder, KLEIN)).toThrow(message);
});

it("refuses a pipeline that does not say which states it reads", () => {
  expect(() => textNetwork(fixtureFolder("qwen3-tied"), "Flux2Pipeline")).toThrow(/Flux2Pipeline/);
});
