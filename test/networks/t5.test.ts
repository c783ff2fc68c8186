/** T5's encoder from its folder gives what Transformers' class gives. */
import { describe, expect, it } from "vitest";
import { textNetwork } from "../../compiler/networks/text/index.js";
import { modelFiles } from "../support/model-files.js";
import { casesOf, changeFixture, evaluateCase, expectNear, fixtureFolder } from "./fixture.js";

const files = modelFiles();

describe.each([
  ["t5-gated", "gated, in bfloat16"],
  ["t5-relu", "not gated, in two files"],
])("%s: %s", (name) => {
  const cases = casesOf(name).map((given, i) => [i, given] as const);
  const graph = textNetwork(fixtureFolder(name), "FluxPipeline").build();
  const masked = textNetwork(fixtureFolder(name), "ChromaPipeline").build();

  it("has the inputs and outputs of its ONNX export", () => {
    expect(graph.inputs).toEqual(["input_ids"]);
    expect(masked.inputs).toEqual(["input_ids", "attention_mask"]);
    expect(graph.outputs).toEqual(["last_hidden_state"]);
    expect(graph.types.get("last_hidden_state")?.shape).toEqual([1, "tokens", 16]);
  });

  it.each(cases)("case %i without a mask, as FLUX.1 reads it", (_, given) => {
    const found = evaluateCase(graph, given).get("last_hidden_state");
    expectNear(found, given.get("last_hidden_state"), 1e-4);
  });

  it.each(cases)("case %i with a mask, as Chroma reads it", (_, given) => {
    const found = evaluateCase(masked, given).get("last_hidden_state");
    expectNear(found, given.get("masked_hidden_state"), 1e-4);
  });

  it("takes as many tokens as are planned", () => {
    const { sizes } = textNetwork(fixtureFolder(name), "FluxPipeline");
    expect(sizes({ textTokens: 256, height: 64, width: 64 })).toEqual({ tokens: 256 });
  });
});

it("reads the table of words under its other names", () => {
  const folder = changeFixture(files.root, "t5-gated", "unshared", (tensors) => {
    const shared = tensors.get("shared.weight");
    if (shared === undefined) throw new Error("the fixture has another name");
    tensors.delete("shared.weight");
    return new Map([...tensors, ["encoder.embed_tokens.weight", shared]]);
  });
  const bare = changeFixture(files.root, "t5-gated", "bare", (tensors) => {
    return new Map(
      [...tensors].map(([key, tensor]) => [key.replace(/^encoder\.|^shared(?=\.)/, renamed), tensor]),
    );
  });
  const [given] = casesOf("t5-gated");
  if (given === undefined) throw new Error("no case");
  for (const path of [folder, bare]) {
    const found = evaluateCase(textNetwork(path, "FluxPipeline").build(), given);
    expectNear(found.get("last_hidden_state"), given.get("last_hidden_state"), 1e-4);
  }
});

function renamed(part: string): string {
  return part === "shared" ? "embed_tokens" : "";
}

it("takes the activation that Transformers wrote beside what it follows from, as Transformers does", () => {
  const [given] = casesOf("t5-gated");
  if (given === undefined) throw new Error("no case");
  const other = { feed_forward_proj: "relu" };
  const folder = changeFixture(files.root, "t5-gated", "written", (tensors) => tensors, other);
  const found = evaluateCase(textNetwork(folder, "FluxPipeline").build(), given);
  expectNear(found.get("last_hidden_state"), given.get("last_hidden_state"), 1e-4);
});

it.each([
  [
    "another activation",
    { feed_forward_proj: "gated-tanh", dense_act_fn: undefined },
    "TRITC_E_NETWORK",
    /feed_forward_proj[\s\S]*gated-tanh/,
  ],
  ["another activation beside", { dense_act_fn: "tanh" }, "TRITC_E_NETWORK", /dense_act_fn[\s\S]*tanh/],
  ["too few buckets", { relative_attention_num_buckets: 2 }, "TRITC_E_CHECKPOINT", /num_buckets/],
  [
    "too small a distance",
    { relative_attention_max_distance: 8 },
    "TRITC_E_CHECKPOINT",
    /max_distance[\s\S]*8/,
  ],
  ["a kind with a bias for each layer", { model_type: "umt5" }, "TRITC_E_NETWORK", /umt5/],
])("refuses %s", (what, settings, code, message) => {
  const folder = changeFixture(files.root, "t5-gated", what, (tensors) => tensors, settings);
  expect(() => textNetwork(folder, "FluxPipeline")).toThrow(expect.objectContaining({ code }));
  expect(() => textNetwork(folder, "FluxPipeline")).toThrow(message);
});

it("reads matrices as MLX quantizes them", () => {
  const name = "encoder.block.0.layer.1.DenseReluDense.wo";
  const [rows, width, group, bits] = [32, 64, 32, 4];
  const codes = Uint8Array.from({ length: rows * width }, (_, i) => (7 * i) % 16);
  const scales = Float32Array.from({ length: (rows * width) / group }, (_, i) => 0.01 + (i % 5) / 256);
  const biases = scales.map((scale) => -8 * scale);
  const words = new Uint32Array((rows * width * bits) / 32);
  for (const [i, code] of codes.entries()) words[i >> 3] = (words[i >> 3] ?? 0) | (code << (bits * (i & 7)));
  const values = Float32Array.from(codes, (code, i) => {
    const at = Math.floor(i / group);
    return (scales[at] ?? 0) * code + (biases[at] ?? 0);
  });
  const factors = [rows, width / group];
  const quantized = changeFixture(
    files.root,
    "t5-wide",
    "mlx",
    (tensors) =>
      new Map([
        ...tensors,
        [`${name}.weight`, { dtype: "u32", shape: [rows, (width * bits) / 32], data: words }],
        [`${name}.scales`, { dtype: "f32", shape: factors, data: scales }],
        [`${name}.biases`, { dtype: "f32", shape: factors, data: biases }],
      ]),
    { quantization: { group_size: group, bits } },
  );
  const plain = changeFixture(
    files.root,
    "t5-wide",
    "plain",
    (tensors) =>
      new Map([...tensors, [`${name}.weight`, { dtype: "f32", shape: [rows, width], data: values }]]),
  );
  const [given] = casesOf("t5-wide");
  if (given === undefined) throw new Error("no case");
  const [found, wanted] = [quantized, plain].map((folder) =>
    evaluateCase(textNetwork(folder, "FluxPipeline").build(), given).get("last_hidden_state"),
  );
  expectNear(found, wanted, 1e-5);
  expect(found?.data).not.toEqual(given.get("last_hidden_state")?.data);
});
