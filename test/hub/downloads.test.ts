/** Models of the hub, from a server here that speaks its protocol: what is downloaded, and what stays. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { blobName, COMMIT } from "../support/fake-hub.js";
import {
  blob,
  blobs,
  CONFIG,
  filesBelow,
  home,
  hub,
  LARGE,
  model,
  noise,
  PARTS,
  PIPELINE,
  PLAIN,
  repository,
  snapshot,
  useHub,
  WANTED,
} from "./fixture.js";

useHub();

describe("a pipeline", () => {
  it("comes whole, and nothing else of the repository", async () => {
    const notices: string[] = [];
    const seen: (readonly [number, number])[] = [];
    const found = await model("org/flux", {
      onNotice: (text) => notices.push(text),
      onProgress: (...of) => seen.push(of),
    });
    expect(found).toMatchObject({ path: snapshot(), commit: COMMIT });
    expect(filesBelow(snapshot())).toEqual([...WANTED].sort());
    for (const path of WANTED) {
      const content = PIPELINE[path] ?? "";
      expect(readFileSync(join(snapshot(), path)).equals(Buffer.from(content)), path).toBe(true);
      const up = "../".repeat(path.split("/").length + 1);
      expect(readlinkSync(join(snapshot(), path))).toBe(`${up}blobs/${blobName(content)}`);
    }
    expect(blobs()).toEqual([...new Set(WANTED.map((path) => blobName(PIPELINE[path] ?? "")))].sort());
    expect(readFileSync(join(repository(), "refs/main"), "utf8")).toBe(COMMIT);
    expect(notices.join("\n")).toMatch(/4 files, 3\.110 MB of main \(commit 01234567\)/);
    const [last, total] = seen.at(-1) ?? [];
    expect([last, total]).toEqual([3_110_000, 3_110_000]);
    expect(seen.every(([done], i) => done >= (seen[i - 1]?.[0] ?? 0))).toBe(true);
  });

  it("is taken from the cache without a question, once it is whole", async () => {
    await model();
    hub.taken();
    expect(await model()).toEqual({ path: snapshot(), commit: COMMIT, downloaded: 0 });
    expect(await model("org/flux", { offline: true })).toMatchObject({ path: snapshot() });
    expect(await model(`org/flux@${COMMIT}`)).toMatchObject({ path: snapshot() });
    expect(hub.taken()).toEqual([]);
  });

  it("leaves other networks' weights where only the transformer is wanted", async () => {
    await model("org/flux", { scope: "transformer" });
    const isWeight = (path: string) => path.endsWith(".safetensors");
    expect(filesBelow(snapshot()).filter(isWeight)).toEqual(PARTS.map((part) => `transformer/${part}`));
    expect(existsSync(join(snapshot(), "vae/config.json"))).toBe(true);
    expect(existsSync(join(snapshot(), "tokenizer/vocab.json"))).toBe(true);
    // The rest comes when it is wanted, and nothing twice.
    hub.taken();
    await model();
    expect(hub.taken().filter((path) => path.startsWith("store")).length).toBe(2);
    expect(filesBelow(snapshot())).toEqual([...WANTED].sort());
  });

  it("leaves the transformer's weights where only the others are wanted", async () => {
    await model("org/flux", { scope: "surroundings" });
    const weights = filesBelow(snapshot()).filter((path) => path.endsWith(".safetensors"));
    expect(weights).toEqual(["text_encoder/model.safetensors", "vae/diffusion_pytorch_model.safetensors"]);
  });

  it("of another revision shares its bytes", async () => {
    await model();
    hub.taken();
    expect(await model("org/flux@v1.0")).toMatchObject({ commit: "a".repeat(40), downloaded: 0 });
    expect(filesBelow(snapshot("org/flux", "a".repeat(40)))).toEqual([...WANTED].sort());
    expect(hub.taken().filter((path) => /store|resolve/.test(path))).toEqual([]);
    expect(readFileSync(join(repository(), "refs/v1.0"), "utf8")).toBe("a".repeat(40));
  });

  it("that another tool downloaded in part is made whole", async () => {
    await model();
    rmSync(join(snapshot(), "vae"), { recursive: true });
    rmSync(blob(LARGE));
    hub.taken();
    await model();
    expect(filesBelow(snapshot())).toEqual([...WANTED].sort());
    expect(hub.taken().filter((path) => path.startsWith("store"))).toEqual([
      `store /${blobName(PIPELINE[LARGE] ?? "")}`,
    ]);
  });
});

describe("other repositories", () => {
  it("a transformer alone", async () => {
    await model("org/transformer");
    expect(filesBelow(snapshot("org/transformer"))).toEqual([
      "config.json",
      "diffusion_pytorch_model.safetensors",
    ]);
    hub.taken();
    await model("org/transformer");
    expect(hub.taken()).toEqual([]);
  });

  it("one file", async () => {
    const { path } = await model("org/files/b-Q8_0.gguf");
    expect(path).toBe(join(snapshot("org/files"), "b-Q8_0.gguf"));
    expect(filesBelow(snapshot("org/files"))).toEqual(["b-Q8_0.gguf"]);
    expect(readFileSync(path).equals(noise(3000, 13))).toBe(true);
    await expect(model("org/files/c.gguf")).rejects.toMatchObject({ code: "TRITC_E_HUB_FILES" });
  });

  it("several files, none of which is named", async () => {
    await expect(model("org/files")).rejects.toThrow(/one of a-Q4_0\.gguf, b-Q8_0\.gguf/);
  });

  it("another kind of model, before its weights come", async () => {
    await expect(model("org/other")).rejects.toMatchObject({
      code: "TRITC_E_HUB_FILES",
      details: { found: "llama" },
    });
    expect(hub.taken().filter((path) => path.startsWith("store"))).toEqual([]);
  });

  it("weights of a kind that is not read", async () => {
    await expect(model("org/pickles")).rejects.toThrow(/transformer\/diffusion_pytorch_model\.safetensors/);
    expect(hub.taken().filter((path) => path.startsWith("store"))).toEqual([]);
  });
});

describe("what is not there", () => {
  it.each([
    ["org/none", {}, /no such repository/],
    ["org/flux", { revision: "v9" }, /no such revision/],
  ] as const)("%s %j", async (name, given, message) => {
    const error = await model(name, given).catch((error) => error);
    expect(error).toMatchObject({ code: "TRITC_E_HUB_NOT_FOUND" });
    expect(error.message).toMatch(message);
    expect(existsSync(join(home, "hub"))).toBe(false);
  });
});

it("bytes that are sent compressed all the same", async () => {
  hub.answer = (_, response, { path }) => {
    if (!path.endsWith("transformer/config.json")) return false;
    const bytes = gzipSync(CONFIG);
    response.writeHead(200, { "content-encoding": "gzip", "content-length": bytes.length }).end(bytes);
    return true;
  };
  await model();
  expect(readFileSync(join(snapshot(), "transformer/config.json"), "utf8")).toBe(CONFIG);
});

describe("offline", () => {
  const offline = { offline: true } as const;

  it("says where the files would lie, and asks nobody", async () => {
    const error = await model("org/flux", offline).catch((error) => error);
    expect(error).toMatchObject({ code: "TRITC_E_HUB_OFFLINE" });
    const { expected, others } = error.details;
    expect(expected).toBe(join(repository(), "refs/main"));
    const wanted = ["model_index.json", "transformer/config.json", `transformer/${PLAIN}, or its parts`];
    wanted.push(
      "text_encoder/config.json",
      "tokenizer/tokenizer.json, or",
      "scheduler/scheduler_config.json",
    );
    expect(error.message).not.toContain("more (--json");
    for (const path of wanted)
      expect(others).toContainEqual(expect.stringContaining(join(repository(), "snapshots/<commit>", path)));
    const commit = "c".repeat(40);
    expect(await model("org/files/a.gguf", { ...offline, revision: commit }).catch((e) => e)).toMatchObject({
      details: { expected: join(snapshot("org/files", commit), "a.gguf"), others: [] },
    });
    expect(hub.taken()).toEqual([]);
  });

  it("says exactly which files it lacks", async () => {
    await model();
    hub.taken();
    rmSync(blob(LARGE));
    rmSync(join(snapshot(), "vae/diffusion_pytorch_model.safetensors"));
    rmSync(join(snapshot(), "tokenizer/merges.txt"));
    const error = await model("org/flux", offline).catch((error) => error);
    expect(error).toMatchObject({ code: "TRITC_E_HUB_OFFLINE" });
    expect([error.details.expected, ...error.details.others]).toEqual([
      join(snapshot(), LARGE),
      join(snapshot(), "vae/diffusion_pytorch_model.safetensors, or its parts and their index"),
      join(snapshot(), "tokenizer/tokenizer.json, or vocab.json and merges.txt"),
    ]);
    expect(
      await model("org/flux", { ...offline, scope: "transformer" }).catch((error) => error),
    ).toMatchObject({
      details: { expected: join(snapshot(), LARGE), others: [] },
    });
    expect(hub.taken()).toEqual([]);
  });

  it("takes a transformer that another tool downloaded alone", async () => {
    const folder = join(snapshot(), "transformer");
    mkdirSync(folder, { recursive: true });
    mkdirSync(join(repository(), "refs"));
    writeFileSync(join(repository(), "refs/main"), COMMIT);
    writeFileSync(join(folder, "config.json"), CONFIG);
    writeFileSync(join(folder, "diffusion_pytorch_model.safetensors"), "weights");
    expect(await model("org/flux", { scope: "transformer" })).toMatchObject({ path: snapshot() });
    expect(hub.taken()).toEqual([]);
    const notices: string[] = [];
    await model("org/flux", { ...offline, onNotice: (text) => notices.push(text) });
    expect(notices).toEqual([expect.stringMatching(/model_index\.json is not known offline/)]);
    // Online the rest of the pipeline comes.
    await model("org/flux");
    expect(filesBelow(snapshot())).toEqual(expect.arrayContaining(WANTED));
  });

  it("does not take a file that is shorter than the hub's, online", async () => {
    await model();
    truncateSync(blob(LARGE), 1000);
    rmSync(join(repository(), "refs/main"));
    await model();
    expect(statSync(blob(LARGE)).size).toBe(3_000_000);
  });
});
