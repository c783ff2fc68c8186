/** Which files of a repository the compiler wants, by their names. */
import { describe, expect, it } from "vitest";
import type { Scope } from "../../compiler/hub/reference.js";
import { type Selection, selectFiles } from "../../compiler/hub/select.js";

type Files = Readonly<Record<string, string>> | readonly string[];

function select(given: Files, scope: Scope = "pipeline", file?: string): Promise<Selection> {
  const files = Array.isArray(given)
    ? Object.fromEntries(given.map((path: string) => [path, ""]))
    : (given as Readonly<Record<string, string>>);
  return selectFiles(
    {
      names: (folder) =>
        Object.keys(files).flatMap((path) => {
          const at = path.lastIndexOf("/");
          return path.slice(0, Math.max(0, at)) === folder ? [path.slice(at + 1)] : [];
        }),
      text: async (path) => files[path] ?? "",
    },
    scope,
    file,
  );
}

const PLAIN = "diffusion_pytorch_model.safetensors";
const index = (...parts: readonly string[]) =>
  JSON.stringify({ weight_map: Object.fromEntries(parts.map((part, i) => [`t${i}`, part])) });

describe("weights of a folder", () => {
  it.each([
    ["the plain file beside variants", [PLAIN, "diffusion_pytorch_model.fp16.safetensors"], [PLAIN]],
    ["bf16 before fp16", ["a.fp16.safetensors", "a.bf16.safetensors"], ["a.bf16.safetensors"]],
    ["the only one under any name", ["flux.safetensors", "pytorch_model.bin"], ["flux.safetensors"]],
    ["GGUF", ["flux-Q8_0.gguf"], ["flux-Q8_0.gguf"]],
    ["no pickles", ["diffusion_pytorch_model.bin"], undefined],
    ["none of several strangers", ["a.safetensors", "b.safetensors"], undefined],
    ["no part without an index", ["a-00001-of-00002.safetensors"], undefined],
    ["settings of MLX", [PLAIN, "quantization_config.json"], [PLAIN, "quantization_config.json"]],
  ] as const)("%s", async (_, names, wanted) => {
    const { files, missing } = await select(["config.json", ...names]);
    expect([...files].sort()).toEqual(["config.json", ...(wanted ?? [])].sort());
    expect(missing.length > 0).toBe(wanted === undefined);
  });

  it("an index and its parts, each once, before a plain file", async () => {
    const [one, two] = ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"];
    const found = await select({
      "config.json": "{}",
      [`${PLAIN}.index.json`]: index(one, two, one),
      "diffusion_pytorch_model.safetensors.index.bf16.json": index("other.safetensors"),
      [one]: "",
      [two]: "",
      [PLAIN]: "",
    });
    expect(found).toEqual({ files: ["config.json", `${PLAIN}.index.json`, one, two], missing: [] });
  });

  it("an index whose parts are missing, or none", async () => {
    const lacking = await select({ "config.json": "", [`${PLAIN}.index.json`]: index("x.safetensors") });
    expect(lacking.missing).toEqual(["x.safetensors"]);
    const empty = await select({ "config.json": "", [`${PLAIN}.index.json`]: index() });
    expect(empty.missing).toEqual([`the files that ${PLAIN}.index.json should name`]);
  });

  it.each(["../x.safetensors", "a/x.safetensors", "/etc/passwd", "x.bin", "a\\x.safetensors"])(
    "no index that names %s",
    async (part) => {
      const asked = select({ "config.json": "", [`${PLAIN}.index.json`]: index(part) });
      await expect(asked).rejects.toMatchObject({ code: "TRITC_E_HUB" });
    },
  );

  it.each(["", "[]", "{", '{"weight_map": 1, "weight_map": 2}'])("no index of %j", async (text) => {
    const asked = select({ "config.json": "", [`${PLAIN}.index.json`]: text });
    await expect(asked).rejects.toMatchObject({ code: "TRITC_E_HUB" });
  });
});

describe("a pipeline", () => {
  const KLEIN = {
    "model_index.json": JSON.stringify({
      _class_name: "Flux2KleinPipeline",
      is_distilled: true,
      scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
      text_encoder: ["transformers", "Qwen3ForCausalLM"],
      tokenizer: ["transformers", "Qwen2TokenizerFast"],
      transformer: ["diffusers", "Flux2Transformer2DModel"],
      vae: ["diffusers", "AutoencoderKLFlux2"],
    }),
    "scheduler/scheduler_config.json": "",
    "text_encoder/config.json": "",
    "text_encoder/generation_config.json": "",
    "text_encoder/model.safetensors": "",
    "tokenizer/chat_template.jinja": "",
    "tokenizer/merges.txt": "",
    "tokenizer/vocab.json": "",
    "transformer/config.json": "",
    [`transformer/${PLAIN}`]: "",
    "vae/config.json": "",
    [`vae/${PLAIN}`]: "",
  };

  it("as FLUX.2's are, whole", async () => {
    const { files, missing } = await select({ ...KLEIN, "flux-2-klein-4b.safetensors": "", "vae/x.png": "" });
    expect(missing).toEqual([]);
    expect([...files].sort()).toEqual(Object.keys(KLEIN).sort());
  });

  it.each(Object.keys(KLEIN).filter((path) => !/generation|jinja|model_index/.test(path)))(
    "misses %s",
    async (path) => {
      const { missing } = await select(
        Object.fromEntries(Object.entries(KLEIN).filter(([name]) => name !== path)),
      );
      const [folder = ""] = path.split("/");
      expect(missing).toEqual([expect.stringContaining(`${folder}/`)]);
      const others = await select(
        Object.fromEntries(Object.entries(KLEIN).filter(([name]) => name !== path)),
        "transformer",
      );
      expect(others.missing.length > 0).toBe(folder === "transformer");
    },
  );

  it("exported as ONNX, with data under any name and the parts of its VAE", async () => {
    const files = {
      "model_index.json": JSON.stringify({ text_encoder: ["a", "b"], vae: ["a", "b"] }),
      "transformer/config.json": "",
      "transformer/model.onnx": "",
      "transformer/model.onnx_data": "",
      "text_encoder/model.onnx": "",
      "text_encoder/weights.data": "",
      "vae_decoder/model.onnx": "",
      "vae_encoder/model.onnx": "",
    };
    const { files: found, missing } = await select({
      ...files,
      "transformer/model_fp16.onnx": "",
      "transformer/diffusion_pytorch_model.safetensors": "",
    });
    expect(missing).toEqual([]);
    expect([...found].sort()).toEqual(Object.keys(files).sort());
  });

  it.each([
    ["an index that is no object", "[]"],
    ["an index that is no JSON", "<html>"],
    ["names twice", '{"vae": null, "vae": null}'],
  ])("not with %s", async (_, text) => {
    await expect(select({ "model_index.json": text })).rejects.toMatchObject({ code: "TRITC_E_HUB" });
  });

  it("whose index names objects' own members", async () => {
    const text = '{"__proto__": ["a", "b"], "constructor": ["a", "b"], "../x": ["a", "b"]}';
    const { files } = await select({ ...KLEIN, "model_index.json": text, "../x/config.json": "" });
    expect(files).toEqual(["model_index.json", "transformer/config.json", `transformer/${PLAIN}`]);
  });
});

describe("other layouts", () => {
  it.each([
    ["a transformer in its folder", ["transformer/config.json", `transformer/${PLAIN}`]],
    ["MLX's", ["transformer-packed-mflux/config.json", "transformer-packed-mflux/model.safetensors"]],
    ["ONNX at the root", ["model.onnx", "model.onnx_data"]],
    ["ONNX of several forms", ["transformer.opt/bf16/model.onnx", "transformer.opt/bf16/backbone.onnx_data"]],
    ["one file", ["flux1-dev.safetensors"]],
  ])("%s", async (_, names) => {
    const { files, missing } = await select([...names, "README.md", ".gitattributes"]);
    expect(missing).toEqual([]);
    expect([...files].sort()).toEqual([...names].sort());
  });

  it("nothing", async () => {
    expect((await select(["README.md"])).missing.length).toBe(1);
    expect((await select([])).missing.length).toBe(1);
  });
});

describe("one weight file", () => {
  const GGUF = [1, 2, 3].map((i) => `q/flux-0000${i}-of-00003.gguf`);

  it("with all its parts", async () => {
    const found = await select([...GGUF, "q/flux-Q8_0.gguf", "q/config.json"], "pipeline", GGUF[1]);
    expect(found).toEqual({ files: ["q/config.json", ...GGUF], missing: [] });
    const lacking = await select(GGUF.slice(1), "pipeline", GGUF[1]);
    expect(lacking.missing).toEqual([`all 3 parts of ${GGUF[1]}`]);
  });

  it("with its index", async () => {
    const parts = [1, 2].map((i) => `m-0000${i}-of-00002.safetensors`);
    const files = { "m.safetensors.index.json": index(...parts), [parts[0] ?? ""]: "", [parts[1] ?? ""]: "" };
    const wanted = ["m.safetensors.index.json", ...parts];
    expect(await select(files, "pipeline", parts[0])).toEqual({ files: wanted, missing: [] });
    expect(await select(files, "pipeline", "m.safetensors.index.json")).toEqual({
      files: wanted,
      missing: [],
    });
  });
});

describe("an adapter", () => {
  const usual = "pytorch_lora_weights.safetensors";

  it.each([
    ["what Diffusers writes, beside others", ["a.safetensors", usual, "README.md"], undefined, [usual]],
    [
      "the only file, with its settings",
      ["a.safetensors", "adapter_config.json"],
      undefined,
      ["a.safetensors", "adapter_config.json"],
    ],
    ["the named one", ["a.safetensors", "b.safetensors", "x.bin"], "b.safetensors", ["b.safetensors"]],
    [
      "one in a folder",
      ["b/s.safetensors", "b/adapter_config.json"],
      "b/s.safetensors",
      ["b/s.safetensors", "b/adapter_config.json"],
    ],
    ["none of several", ["a.safetensors", "b.safetensors"], undefined, undefined],
    ["no pickles", ["adapter_model.bin"], undefined, undefined],
    ["one that is not there", ["a.safetensors"], "b.safetensors", undefined],
  ] as const)("%s", async (_, names, file, wanted) => {
    const { files, missing } = await select(names, "adapter", file);
    expect(missing.length > 0).toBe(wanted === undefined);
    if (wanted !== undefined) expect(files).toEqual(wanted);
  });
});

describe("a pipeline that is to run as it is", () => {
  const of = (encoder: string) => ({
    "model_index.json": JSON.stringify({
      text_encoder: ["a", "b"],
      tokenizer: ["a", "b"],
      transformer: ["a", "b"],
      vae: ["a", "b"],
    }),
    "tokenizer/tokenizer.json": "",
    "text_encoder/config.json": "",
    [`text_encoder/${encoder}`]: "",
    "transformer/config.json": "",
    [`transformer/${PLAIN}`]: "",
    "vae_decoder/model.onnx": "",
  });

  it("comes without its transformer's weights", async () => {
    const { files, missing } = await select(of("model.onnx"), "exported");
    expect(missing).toEqual([]);
    expect(files).toContain("text_encoder/model.onnx");
    expect(files).not.toContain(`transformer/${PLAIN}`);
  });

  it("is refused where its text encoders have to be compiled", async () => {
    await expect(select(of("model.safetensors"), "exported")).rejects.toMatchObject({
      details: { code: "TRITC_E_PIPELINE", found: expect.stringContaining("model.safetensors") },
    });
    expect((await select(of("model.safetensors"), "surroundings")).missing).toEqual([]);
  });
});
