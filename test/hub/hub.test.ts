/** Models of the hub, from a server here that speaks its protocol: what is downloaded, what stays, what is refused. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type HubModelOptions, hubModel, hubReference, hubSettings } from "../../compiler/hub/index.js";
import { blobName, COMMIT, FakeHub, json, send } from "../support/fake-hub.js";

/** Bytes that are no run of one value. */
function noise(length: number, seed: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 255));
}

const PLAIN = "diffusion_pytorch_model.safetensors";
const CONFIG = JSON.stringify({ _class_name: "FluxTransformer2DModel" });
const PARTS = [
  "diffusion_pytorch_model-00001-of-00002.safetensors",
  "diffusion_pytorch_model-00002-of-00002.safetensors",
];
const INDEX = JSON.stringify({ weight_map: { a: PARTS[0], b: PARTS[1], c: PARTS[0] } });
const LARGE = `transformer/${PARTS[0]}`;
const PIPELINE: Readonly<Record<string, string | Uint8Array>> = {
  ".gitattributes": "* lfs",
  "README.md": "# A model",
  "ae.safetensors": noise(5000, 1),
  "flux1-schnell.safetensors": noise(9000, 2),
  "model_index.json": JSON.stringify({
    _class_name: "FluxPipeline",
    scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    text_encoder: ["transformers", "CLIPTextModel"],
    tokenizer: ["transformers", "CLIPTokenizer"],
    transformer: ["diffusers", "FluxTransformer2DModel"],
    vae: ["diffusers", "AutoencoderKL"],
    safety_checker: [null, null],
    image_encoder: ["transformers", "CLIPVisionModel"],
  }),
  "image_encoder/config.json": "{}",
  "image_encoder/model.safetensors": noise(3000, 3),
  "scheduler/scheduler_config.json": "{}",
  "text_encoder/config.json": "{}",
  "text_encoder/model.safetensors": noise(4000, 4),
  "text_encoder/model.fp16.safetensors": noise(2000, 5),
  "text_encoder/pytorch_model.bin": noise(4000, 6),
  "text_encoder/flax_model.msgpack": noise(4000, 7),
  "tokenizer/merges.txt": "#version: 0.2\na b",
  "tokenizer/vocab.json": "{}",
  "tokenizer/tokenizer_config.json": JSON.stringify({ pad: "x".repeat(2000) }),
  "transformer/config.json": CONFIG,
  "transformer/diffusion_pytorch_model.safetensors.index.json": INDEX,
  [LARGE]: noise(3_000_000, 8),
  [`transformer/${PARTS[1]}`]: noise(100_000, 9),
  "vae/config.json": "{}",
  "vae/diffusion_pytorch_model.safetensors": noise(6000, 10),
};
const WANTED = Object.keys(PIPELINE).filter(
  (path) =>
    /^(?:scheduler|text_encoder|tokenizer|transformer|vae)\/|^model_index/.test(path) &&
    !/fp16|\.bin|flax/.test(path),
);

let hub: FakeHub;
let home: string;
beforeAll(async () => {
  hub = await FakeHub.open({
    "org/flux": { files: PIPELINE, refs: { "v1.0": "a".repeat(40) } },
    "org/gated": { files: PIPELINE, gated: "hf_open" },
    "org/transformer": {
      files: {
        "config.json": CONFIG,
        "diffusion_pytorch_model.safetensors": noise(5000, 11),
        "README.md": "",
      },
    },
    "org/files": {
      files: { "a-Q4_0.gguf": noise(2000, 12), "b-Q8_0.gguf": noise(3000, 13), "config.json.txt": "" },
    },
    "org/other": {
      files: { "config.json": JSON.stringify({ model_type: "llama" }), "model.safetensors": noise(9000, 14) },
    },
    "org/pickles": {
      files: {
        "model_index.json": "{}",
        "transformer/config.json": CONFIG,
        "transformer/model.bin": noise(2000, 15),
      },
    },
  });
});
afterAll(() => hub.close());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "tritc-hub-"));
  hub.answer = () => false;
  hub.asked.length = 0;
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Given extends HubModelOptions {
  readonly token?: string;
  readonly offline?: boolean;
  readonly revision?: string;
}

/** The model's folder or file, of a cache in `home`. */
function model(name = "org/flux", { token, offline, revision, ...options }: Given = {}) {
  const reference = hubReference(name, revision);
  if (reference === undefined) throw new Error(`${name} is a path`);
  const settings = hubSettings({ token, offline, env: hub.env(home) });
  return hubModel(reference, settings, { retries: { attempts: 3, firstWait: 5 }, ...options });
}

const repository = (name = "org/flux") => join(home, "hub", `models--${name.replace("/", "--")}`);
const snapshot = (name?: string, commit = COMMIT) => join(repository(name), "snapshots", commit);
const blobs = (name?: string) => readdirSync(join(repository(name), "blobs")).sort();
const blob = (path: string) => join(repository(), "blobs", blobName(PIPELINE[path] ?? ""));

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

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

describe("a download goes on", () => {
  const hash = blobName(PIPELINE[LARGE] ?? "");
  const partial = () => `${blob(LARGE)}.tritc.incomplete`;
  const leave = (bytes: Uint8Array) => {
    mkdirSync(dirname(partial()), { recursive: true });
    writeFileSync(partial(), bytes);
  };
  const whole = () => readFileSync(join(snapshot(), LARGE)).equals(Buffer.from(PIPELINE[LARGE] ?? ""));
  const ranges = () =>
    hub.asked.flatMap(({ host, path, range }) => (host === "store" && path === `/${hash}` ? [range] : []));

  it("from what an earlier process left", async () => {
    leave(Buffer.from(PIPELINE[LARGE] ?? "").subarray(0, 1_234_567));
    const { downloaded } = await model();
    expect(downloaded).toBe(3_110_000 - 1_234_567);
    expect(ranges()).toEqual(["bytes=1234567-2999999"]);
    expect(whole()).toBe(true);
    expect(existsSync(partial())).toBe(false);
  });

  it("after the connection broke", async () => {
    let times = 0;
    hub.answer = (request, response, { host, path }) => {
      if (host !== "store" || path !== `/${hash}` || ++times > 3) return false;
      const from = Number(/\d+/.exec(request.headers.range ?? "0"));
      const rest = Buffer.from(PIPELINE[LARGE] ?? "").subarray(from);
      response.writeHead(from > 0 ? 206 : 200, {
        "content-length": rest.length,
        ...(from > 0 && { "content-range": `bytes ${from}-2999999/3000000` }),
      });
      response.write(rest.subarray(0, 700_000), () => setTimeout(() => response.destroy(), 50));
      return true;
    };
    await model();
    expect(whole()).toBe(true);
    const [first, ...more] = ranges();
    expect(first).toBeUndefined();
    expect(more.length).toBe(3);
    for (const range of more) expect(range).toMatch(/^bytes=[1-9]\d+-2999999$/);
  });

  it("from the beginning where a server takes no ranges", async () => {
    leave(Buffer.from(PIPELINE[LARGE] ?? "").subarray(0, 1_000_000));
    hub.answer = (_, response, { host, path }) => {
      if (host !== "store" || path !== `/${hash}`) return false;
      send(response, Buffer.from(PIPELINE[LARGE] ?? ""), undefined);
      return true;
    };
    await model();
    expect(whole()).toBe(true);
  });

  it("from the beginning where what was left is torn", async () => {
    leave(noise(1_000_000, 99));
    await model();
    expect(ranges()).toEqual(["bytes=1000000-2999999", undefined]);
    expect(whole()).toBe(true);
    leave(noise(4_000_000, 8));
    rmSync(blob(LARGE));
    await model();
    expect(whole()).toBe(true);
  });

  it("after Ctrl-C", async () => {
    const control = new AbortController();
    const reason = new Error("stopped");
    hub.answer = (_, response, { host, path }) => {
      if (host !== "store" || path !== `/${hash}`) return false;
      response.writeHead(200, { "content-length": 3_000_000 });
      response.write(Buffer.from(PIPELINE[LARGE] ?? "").subarray(0, 2_000_000));
      return true;
    };
    const stopped = model("org/flux", {
      signal: control.signal,
      onProgress: (done) => {
        if (done >= 2_000_000) control.abort(reason);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    const { size } = statSync(partial());
    expect(size).toBeGreaterThan(1_000_000);
    expect(existsSync(join(repository(), "refs/main"))).toBe(false);
    expect(readdirSync(join(home, "hub/.locks/models--org--flux"))).toEqual([]);
    hub.answer = () => false;
    hub.asked.length = 0;
    await model();
    expect(ranges()).toEqual([`bytes=${size}-2999999`]);
    expect(whole()).toBe(true);
  });

  it("by one of two at a time", async () => {
    const notices: string[] = [];
    const [one, two] = await Promise.all([
      model(),
      model("org/flux", { onNotice: (text) => notices.push(text) }),
    ]);
    expect(one.path).toBe(two.path);
    expect(ranges().length).toBe(1);
    expect(whole()).toBe(true);
    expect(filesBelow(snapshot())).toEqual([...WANTED].sort());
    expect(readdirSync(join(repository(), "blobs")).filter((name) => name.includes("."))).toEqual([]);
  });
});

describe("a token", () => {
  const token = "hf_open";
  it("reads what is gated, and goes to the hub alone", async () => {
    await model("org/gated", { token });
    expect(filesBelow(snapshot("org/gated"))).toEqual([...WANTED].sort());
    for (const { host, authorization } of hub.asked)
      expect(authorization).toBe(host === "hub" ? `Bearer ${token}` : undefined);
    expect(hub.asked.filter(({ host }) => host === "store").length).toBe(5);
  });

  it.each(["page", "redirect"])("does not follow the list to another host by a %s", async (by) => {
    const stranger = await FakeHub.open({ "org/gated": { files: PIPELINE } });
    try {
      hub.answer = (_, response, { path }) => {
        if (!path.includes("/tree/")) return false;
        const elsewhere = `${stranger.endpoint}${path}?recursive=true`;
        if (by === "redirect") response.writeHead(302, { location: elsewhere }).end();
        else {
          response.setHeader("link", `<${elsewhere}>; rel="next"`);
          json(response, []);
        }
        return true;
      };
      await model("org/gated", { token });
      expect(stranger.asked.length).toBeGreaterThan(0);
      expect(stranger.asked.map(({ authorization }) => authorization).filter(Boolean)).toEqual([]);
    } finally {
      await stranger.close();
    }
  });

  it("is asked for where a licence has to be accepted", async () => {
    const error = await model("org/gated").catch((error) => error);
    expect(error).toMatchObject({ code: "TRITC_E_HUB_ACCESS" });
    expect(error.message).toMatch(/accept the licence at http:\/\/127.*\/org\/gated, then give a token/);
    const other = await model("org/gated", { token: "hf_other" }).catch((error) => error);
    expect(other).toMatchObject({ code: "TRITC_E_HUB_ACCESS" });
    expect(other.message).not.toContain("hf_other");
  });

  it("that nobody knows", async () => {
    hub.answer = (_, response) => {
      response.writeHead(401).end("{}");
      return true;
    };
    await expect(model("org/flux", { token: "hf_old" })).rejects.toThrow(/does not know the token/);
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

describe("a hub that is busy", () => {
  it.each([429, 500, 502, 503])("%d is asked again", async (status) => {
    const times = new Map<string, number>();
    hub.answer = (_, response, { path }) => {
      const count = (times.get(path) ?? 0) + 1;
      times.set(path, count);
      if (count > 2) return false;
      response.writeHead(status, { "retry-after": "0" }).end();
      return true;
    };
    await model("org/flux", { retries: { attempts: 5, firstWait: 5 } });
    expect(filesBelow(snapshot())).toEqual([...WANTED].sort());
  });

  it("is given the time that it asks for", async () => {
    let first = 0;
    let second = 0;
    hub.answer = (_, response) => {
      if (first > 0) {
        second ||= performance.now();
        return false;
      }
      first = performance.now();
      response.writeHead(429, { "retry-after": "1" }).end();
      return true;
    };
    await model();
    expect(second - first).toBeGreaterThan(950);
  });

  it.each([
    [{ "retry-after": "0" }, /gives no answer[\s\S]*found: {4}503/],
    [{ "retry-after": "3600" }, /asks to wait longer[\s\S]*3600 s/],
    [{ "retry-after": new Date(Date.now() + 3_600_000).toUTCString() }, /asks to wait longer/],
  ])("for too long is left: %j", async (headers, message) => {
    hub.answer = (_, response) => {
      response.writeHead(503, headers).end();
      return true;
    };
    const error = await model().catch((error) => error);
    expect(error).toMatchObject({ code: "TRITC_E_HUB_NETWORK" });
    expect(error.message).toMatch(message);
  });

  it("or not there at all", async () => {
    const reference = hubReference("org/flux");
    const settings = hubSettings({ env: { HF_ENDPOINT: "http://127.0.0.1:9", HF_HOME: home } });
    if (reference === undefined) throw new Error("no reference");
    const asked = hubModel(reference, settings, { retries: { attempts: 2, firstWait: 1 } });
    await expect(asked).rejects.toMatchObject({ code: "TRITC_E_HUB_NETWORK" });
  });

  it("that breaks off again and again", async () => {
    hub.answer = (_, response, { host }) => {
      if (host !== "store") return false;
      response.destroy();
      return true;
    };
    await expect(model()).rejects.toMatchObject({ code: "TRITC_E_HUB_NETWORK" });
  });
});

/** Answers of a hub that is none, or that means harm. */
describe("hostile answers", () => {
  const file = { type: "file", path: "model_index.json", size: 2, oid: "b".repeat(40) };
  const listing = (...entries: readonly object[]) => {
    hub.answer = (_, response, { path }) => {
      if (!path.includes("/tree/")) return false;
      json(response, entries);
      return true;
    };
  };
  const refused = async (code = "TRITC_E_HUB") => {
    const error = await model().catch((error) => error);
    expect(error).toMatchObject({ code });
    // Nothing but what the hub really has, in its place.
    const left = existsSync(join(home, "hub")) ? filesBelow(join(home, "hub")) : [];
    expect(readdirSync(home).filter((name) => name !== "hub")).toEqual([]);
    expect(left.filter((path) => !/^models--org--flux\/(?:blobs|snapshots)\//.test(path))).toEqual([]);
    return error.message as string;
  };

  it.each([
    ["a path upwards", { path: "../../evil.json" }],
    ["a path upwards within", { path: "transformer/../../../../evil.json" }],
    ["an absolute path", { path: "/tmp/evil.json" }],
    ["a drive", { path: "C:/evil.json" }],
    ["another system's separator", { path: "..\\evil.json" }],
    ["a control character", { path: "a\u0000b" }],
    ["no path", { path: 5 }],
    ["a hash that is a path", { oid: "../../../evil" }],
    ["no hash", { oid: null }],
    ["a hash of other length", { oid: "b".repeat(64) }],
    ["a size below zero", { size: -1 }],
    ["a size beyond all", { size: 1e300 }],
    ["a broken size", { size: 1.5 }],
    ["two sizes", { lfs: { oid: "c".repeat(64), size: 3, pointerSize: 1 } }],
    ["a hash of a large file that is a path", { lfs: { oid: "../x", size: 2, pointerSize: 1 } }],
  ])("a file with %s", async (_, change) => {
    listing({ ...file, ...change });
    expect(await refused()).toMatch(/lists a file that none can be/);
  });

  it.each([
    ["a file twice", [file, file], /no end/],
    ["null for an entry", [null], /answer is none/],
    ["an object", { error: 1 }, /answer is none/],
  ])("a list with %s", async (_, list, message) => {
    hub.answer = (_, response, { path }) => {
      if (!path.includes("/tree/")) return false;
      json(response, list);
      return true;
    };
    expect(await refused()).toMatch(message);
  });

  it("a list without end", async () => {
    hub.answer = (_, response, { path }) => {
      if (!path.includes("/tree/")) return false;
      response.setHeader("link", `<${hub.endpoint}${path}>; rel="next"`);
      json(response, [file]);
      return true;
    };
    expect(await refused()).toMatch(/no end/);
  });

  it.each([
    ["a page", "<!doctype html><title>Sign in</title>", /a page, as of a proxy/],
    ["half a document", '{"sha": "0123', /not JSON/],
    ["nothing", "", /not JSON/],
    ["no commit", '{"id":"org/flux"}', /names no commit/],
    ["a commit that is a path", '{"id":"org/flux","sha":"../../../x"}', /names no commit/],
    ["null", "null", /answer is none/],
  ])("%s in place of the revision", async (_, text, message) => {
    hub.answer = (_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(text);
      return true;
    };
    expect(await refused()).toMatch(message);
  });

  it.each([
    ["file:///etc/passwd", /where nothing should go/],
    ["http://user:secret@127.0.0.1/x", /where nothing should go/],
    ["", /where nothing should go/],
    ["/api/models/org/flux/revision/main", /in a circle/],
  ])("a redirect to %j", async (location, message) => {
    hub.answer = (_, response, { path }) => {
      if (!path.includes("/revision/")) return false;
      response.writeHead(302, location === "" ? {} : { location }).end();
      return true;
    };
    expect(await refused()).toMatch(message);
  });

  const large = Buffer.from(PIPELINE[LARGE] ?? "");
  const hash = blobName(large);
  it.each([
    [
      "other bytes of the same size",
      noise(large.length, 77),
      {},
      "TRITC_E_HUB_HASH",
      /expected: [0-9a-f]{64}/,
    ],
    ["fewer bytes, said so", large.subarray(5), {}, "TRITC_E_HUB", /is not the file/],
    ["more bytes, said so", Buffer.concat([large, large]), {}, "TRITC_E_HUB", /is not the file/],
    [
      "a page",
      Buffer.from("<html>"),
      { "content-type": "text/html" },
      "TRITC_E_HUB",
      /a page in the place of a file/,
    ],
    [
      "another file's hash",
      large,
      { "x-linked-etag": `"${"c".repeat(64)}"` },
      "TRITC_E_HUB",
      /says two things/,
    ],
    ["another file's size", large, { "x-linked-size": "17" }, "TRITC_E_HUB", /says two things/],
    ["another commit", large, { "x-repo-commit": "d".repeat(40) }, "TRITC_E_HUB", /says two things/],
  ])("a file of %s", async (_, bytes, headers, code, message) => {
    hub.answer = (_, response, { path }) => {
      if (path !== `/${hash}`) return false;
      response.writeHead(200, { "content-length": bytes.length, ...headers }).end(bytes);
      return true;
    };
    expect(await refused(code)).toMatch(message);
    expect(existsSync(blob(LARGE))).toBe(false);
    expect(existsSync(join(repository(), "refs"))).toBe(false);
  });

  it("a file without an end", async () => {
    hub.answer = (_, response, { path }) => {
      if (path !== `/${hash}`) return false;
      response.writeHead(200);
      response.write(large);
      const more = setInterval(() => response.write(large), 5);
      response.on("close", () => clearInterval(more));
      return true;
    };
    expect(await refused()).toMatch(/larger than the hub lists it/);
  });

  it("the wrong range", async () => {
    mkdirSync(dirname(blob(LARGE)), { recursive: true });
    writeFileSync(`${blob(LARGE)}.tritc.incomplete`, large.subarray(0, 1000));
    hub.answer = (_, response, { path }) => {
      if (path !== `/${hash}`) return false;
      const rest = large.subarray(1000);
      response
        .writeHead(206, { "content-length": rest.length, "content-range": "bytes 7-2999999/3000000" })
        .end(rest);
      return true;
    };
    expect(await refused()).toMatch(/is not the file/);
  });

  it("an index that names files elsewhere", async () => {
    const index = JSON.stringify({ weight_map: { a: "../../secret.safetensors" } });
    const stranger = await FakeHub.open({
      "org/flux": {
        files: { ...PIPELINE, "transformer/diffusion_pytorch_model.safetensors.index.json": index },
      },
    });
    const kept = hub;
    hub = stranger;
    try {
      expect(await refused()).toMatch(/no part of the model/);
    } finally {
      hub = kept;
      await stranger.close();
    }
  });

  it("settings without an end", async () => {
    listing({ ...file, size: 2 ** 40 });
    expect(await refused()).toMatch(/too large for settings/);
  });

  it("a model larger than the disk", async () => {
    const size = 2 ** 52;
    const entry = (path: string, bytes: string) => ({
      type: "file",
      path,
      size: bytes.length,
      oid: blobName(bytes),
    });
    listing(entry("transformer/config.json", CONFIG), {
      type: "file",
      path: "transformer/model.safetensors",
      size,
      oid: "e".repeat(40),
      lfs: { oid: "f".repeat(64), size },
    });
    expect(await refused("TRITC_E_HUB_DISK")).toMatch(/4\.504 PB free/);
  });
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
