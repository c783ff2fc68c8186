/** What a text means: a path, or a model of the hub. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkReference, hubReference, isSafePath } from "../../compiler/hub/reference.js";
import { hubSettings } from "../../compiler/hub/settings.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-reference-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a model of the hub", () => {
  it.each([
    ["black-forest-labs/FLUX.1-schnell", { name: "black-forest-labs/FLUX.1-schnell", revision: "main" }],
    ["org/name@v1.2", { name: "org/name", revision: "v1.2" }],
    ["org/name@refs/pr/3", { name: "org/name", revision: "refs/pr/3" }],
    ["hf:org/name", { name: "org/name", revision: "main" }],
    ["hf://org/name@dev", { name: "org/name", revision: "dev" }],
    [
      "city96/FLUX.1-dev-gguf/flux1-dev-Q4_0.gguf",
      { name: "city96/FLUX.1-dev-gguf", file: "flux1-dev-Q4_0.gguf" },
    ],
    [
      "org/name/split/flux1.safetensors@a",
      { name: "org/name", file: "split/flux1.safetensors", revision: "a" },
    ],
    ["o/n/t/diffusion_pytorch_model.safetensors.index.json", { name: "o/n" }],
  ])("%s", (text, expected) => {
    expect(hubReference(text)).toMatchObject(expected);
  });

  it("has the revision of --revision", () => {
    expect(hubReference("org/name", "v2")).toMatchObject({ revision: "v2" });
    expect(hubReference("org/name@v2", "v2")).toMatchObject({ revision: "v2" });
  });

  it.each([
    "nowhere",
    "./org/name",
    "../org/name",
    "/org/name",
    "~/org/name",
    "C:\\org\\name",
    "org\\name",
    "org/name/",
    "org//name",
    "org/name/transformer",
    "models/flux.onnx",
    "models/flux1-dev.safetensors",
    "models/x.gguf",
    "-org/name",
    "org/..",
    "org/na--me",
    "org/name.",
    "org/na me",
    "org/name/../x.safetensors",
    "org/name/a\\b.safetensors",
    "",
    "-",
    "https://huggingface.co/org/name",
    "test/models",
  ])("is not %j", (text) => {
    expect(hubReference(text)).toBeUndefined();
  });

  it("is not what lies here, or would lie in a folder that is here", () => {
    expect(hubReference("compiler/cli")).toBeUndefined();
    expect(hubReference("compiler/misspelled")).toBeUndefined();
    expect(hubReference("hf:compiler/misspelled")).toMatchObject({ name: "compiler/misspelled" });
  });

  it.each([
    ["hf:name", undefined, /no model of the hub/],
    ["hf:/etc/passwd", undefined, /no model of the hub/],
    ["hf:org/name/transformer", undefined, /no model of the hub/],
    ["org/name@a", "b", /two revisions/],
    ["org/name@../../x", undefined, /no revision/],
    ["org/name@", undefined, /no revision/],
    ["org/name", "-x", /no revision/],
    ["compiler/cli", "main", /this is a path/],
  ])("refuses %s with --revision %s", (text, revision, message) => {
    expect(() => hubReference(text, revision)).toThrow(message);
    expect(() => hubReference(text, revision)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});

it.each([
  { name: "org/../../x", revision: "main" },
  { name: "org/name/more", revision: "main" },
  { name: "org/name", revision: "../../x" },
  { name: "org/name", revision: "" },
  { name: "org/name", revision: "main", file: "../x.safetensors" },
  { name: "org/name@v1", revision: "main" },
])("a program may not ask for %j", (reference) => {
  expect(() => checkReference(reference)).toThrow(/no model of the hub/);
});

it("a program may ask for what the command line does", () => {
  for (const text of ["org/name@v1", "org/name/a/b.gguf"]) {
    const reference = hubReference(text);
    expect(reference).toBeDefined();
    if (reference !== undefined) expect(() => checkReference(reference)).not.toThrow();
  }
});

it.each([
  ["a/b.json", true],
  ["model-00001-of-00002.safetensors", true],
  ["..", false],
  ["a/../b", false],
  ["/etc/passwd", false],
  ["a//b", false],
  ["./a", false],
  ["a/", false],
  ["", false],
  ["C:/x", false],
  ["a\\..\\b", false],
  ["a\0b", false],
  ["a\u001b[31m", false],
])("whether %j stays in its folder: %s", (path, isSafe) => {
  expect(isSafePath(path)).toBe(isSafe);
});

describe("settings", () => {
  const env = { HOME: "/home/u", HF_HOME: join(folder, "hf") };

  it.each([
    [{ HF_HUB_CACHE: "/a", HF_HOME: "/b", XDG_CACHE_HOME: "/c" }, "/a"],
    [{ HUGGINGFACE_HUB_CACHE: "/a", HF_HOME: "/b" }, "/a"],
    [{ HF_HOME: "/b", XDG_CACHE_HOME: "/c" }, "/b/hub"],
    [{ XDG_CACHE_HOME: "/c" }, "/c/huggingface/hub"],
  ])("%j", (given, cache) => {
    expect(hubSettings({ env: given }).cache).toBe(cache);
  });

  it("endpoint", () => {
    expect(hubSettings({ env }).endpoint).toBe("https://huggingface.co");
    expect(hubSettings({ env: { ...env, HF_ENDPOINT: "https://m.example/hf/" } }).endpoint).toBe(
      "https://m.example/hf",
    );
    for (const HF_ENDPOINT of [
      "m.example",
      "ftp://m.example",
      "https://u:p@m.example",
      "https://m.example/?a=1",
    ])
      expect(() => hubSettings({ env: { ...env, HF_ENDPOINT } })).toThrow(/no address of a hub/);
  });

  it("token", () => {
    expect(hubSettings({ env }).token).toBeUndefined();
    expect(hubSettings({ env: { ...env, HF_TOKEN: " hf_a\n" } }).token).toBe("hf_a");
    expect(hubSettings({ env: { ...env, HF_TOKEN: "hf_a" }, token: "hf_b" }).token).toBe("hf_b");
    const off = { ...env, HF_TOKEN: "hf_a", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" };
    expect(hubSettings({ env: off }).token).toBeUndefined();
    const secret = "hf_secret\r\nHost: evil";
    expect(() => hubSettings({ env, token: secret })).toThrow(/characters/);
    expect(() => hubSettings({ env, token: secret })).not.toThrow(/secret/);
  });

  it("offline", () => {
    expect(hubSettings({ env }).offline).toBe(false);
    expect(hubSettings({ env, offline: true }).offline).toBe(true);
    for (const value of ["1", "true", "YES", "on"])
      expect(hubSettings({ env: { ...env, HF_HUB_OFFLINE: value } }).offline).toBe(true);
    expect(hubSettings({ env: { ...env, HF_HUB_OFFLINE: "0" } }).offline).toBe(false);
  });
});
