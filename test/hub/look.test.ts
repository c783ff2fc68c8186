/** Models of the hub of which parts are read: which bytes come, and what becomes of answers that are not those. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { type HubModelOptions, hubModel, hubReference, hubSettings } from "../../compiler/hub/index.js";
import { lookAtModel } from "../../compiler/hub/look.js";
import { Asking } from "../../compiler/sparse-files.js";
import { type Asked, blobName, COMMIT, FakeHub, send } from "../support/fake-hub.js";

/** Bytes of which no two stretches are equal. */
function unlike(length: number, seed: number): Buffer {
  const words = new Uint32Array(length / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2654435761);
  return Buffer.from(words.buffer);
}

const SIZE = 20_000_000;
/** What comes besides behind each range. */
const NEAR = 1 << 15;
/** What comes of each file before anything is read. */
const HEAD = (1 << 18) + NEAR;
/** The last byte that comes with eight at 2,000,000. */
const LAST = 2_000_007 + NEAR;
const CONFIG = JSON.stringify({ _class_name: "FluxTransformer2DModel" });
const ONE = "diffusion_pytorch_model.safetensors";
const [FIRST, SECOND] = [1, 2].map((i) => `diffusion_pytorch_model-0000${i}-of-00002.safetensors`) as [
  string,
  string,
];
const [WEIGHTS, MORE] = [unlike(SIZE, 1), unlike(SIZE, 9_000_000)];
const FILES = { "config.json": CONFIG, [ONE]: WEIGHTS };
const SMALL = unlike(100_000, 5);

let hub: FakeHub;
let home: string;
let scratch: string;
const kept = process.env.TMPDIR;
beforeAll(async () => {
  hub = await FakeHub.open({
    "org/one": { files: FILES },
    "org/two": {
      files: {
        "config.json": CONFIG,
        "diffusion_pytorch_model.safetensors.index.json": JSON.stringify({
          weight_map: { a: FIRST, b: SECOND },
        }),
        [FIRST]: WEIGHTS,
        [SECOND]: MORE,
      },
      refs: { other: "a".repeat(40) },
    },
    "org/small": { files: { "config.json": CONFIG, [ONE]: SMALL } },
    "org/gated": { files: FILES, gated: "hf_open" },
  });
});
afterAll(() => hub.close());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "tritc-hub-look-"));
  scratch = join(home, "scratch");
  mkdirSync(scratch);
  process.env.TMPDIR = scratch;
  hub.answer = () => false;
  hub.asked.length = 0;
});
afterEach(() => {
  // However it ended, nothing of it is left.
  expect(readdirSync(scratch)).toEqual([]);
  if (kept === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = kept;
  rmSync(home, { recursive: true });
});

interface Given extends HubModelOptions {
  readonly token?: string;
  readonly offline?: boolean;
}

function asked(name: string, { token, offline, ...options }: Given = {}) {
  const reference = hubReference(name);
  if (reference === undefined) throw new Error(`${name} is a path`);
  const settings = hubSettings({ token, offline, env: hub.env(home) });
  const all: HubModelOptions = {
    ...{ scope: "transformer", retries: { attempts: 3, firstWait: 5 } },
    ...options,
  };
  return [reference, settings, all] as const;
}

function look<T>(name: string, work: (path: string) => T | Promise<T>, given?: Given): Promise<T> {
  return lookAtModel(...asked(name, given), async (path) => work(path));
}

/** Work that reads ranges, and gives their bytes. */
const reading =
  (...ranges: readonly (readonly [offset: number, length: number, file?: string])[]) =>
  (path: string): Buffer[] => {
    const reader = fileReader();
    const asking = new Asking();
    try {
      const found = ranges.map(([offset, length, file = ONE]) =>
        asking.attempt(() => Buffer.from(reader.read(join(path, file), offset, length))),
      );
      asking.finish();
      return found as Buffer[];
    } finally {
      reader.close();
    }
  };

const stored = () => hub.asked.filter(({ host }) => host === "store");
const rangesOf = (bytes: Uint8Array) =>
  stored().flatMap(({ path, range }) => (path === `/${blobName(bytes)}` ? [range] : []));
const folder = (name: string) => join(home, "hub", `models--${name.replace("/", "--")}`);
const blobs = (name: string) => readdirSync(join(folder(name), "blobs")).sort();
/** Answers requests for the bytes of a range that is no header. */
const answerParts = (answer: (response: Parameters<FakeHub["answer"]>[1], asked: Asked) => void) => {
  hub.answer = (_, response, request) => {
    if (request.host !== "store" || (request.range ?? "bytes=0-").startsWith("bytes=0-")) return false;
    answer(response, request);
    return true;
  };
};

describe("what is read", () => {
  it("comes by ranges, and nothing else does", async () => {
    const notices: string[] = [];
    const progress: (readonly [number, number])[] = [];
    const found = await look(
      "org/one",
      reading([0, 100], [1_000_000, 5000], [1_010_000, 1], [SIZE - 1, 1], [3_000_000, 0]),
      {
        onNotice: (text) => notices.push(text),
        onProgress: (...counts) => progress.push(counts),
      },
    );
    expect(found.map(({ length }) => length)).toEqual([100, 5000, 1, 1, 0]);
    expect(found[1]).toEqual(WEIGHTS.subarray(1_000_000, 1_005_000));
    expect(found[3]).toEqual(WEIGHTS.subarray(SIZE - 1));
    // What lies close together is one range.
    expect(rangesOf(WEIGHTS)).toEqual([
      `bytes=0-${HEAD - 1}`,
      `bytes=1000000-${1_010_000 + NEAR}`,
      `bytes=${SIZE - 1}-${SIZE - 1}`,
    ]);
    const resolved = hub.asked.filter(({ host, path }) => host === "hub" && path.endsWith(ONE));
    expect(resolved.length).toBe(1);
    expect(notices.slice(1)).toEqual([
      "org/one: reading parts of 1 file, 20.00 MB (commit 01234567)",
      "org/one: 337.7 kB of 20.00 MB read",
    ]);
    expect(progress.filter(([done, total]) => done === total)).toEqual([
      [HEAD, HEAD],
      [10_002 + NEAR, 10_002 + NEAR],
    ]);
    expect(blobs("org/one")).toEqual([blobName(CONFIG)]);
    expect(readdirSync(folder("org/one")).sort()).toEqual(["blobs", "snapshots"]);
    expect(readdirSync(join(folder("org/one"), "snapshots", COMMIT))).toEqual(["config.json"]);
  });

  it("is read again with the bytes, whatever work makes of their absence", async () => {
    let times = 0;
    const swallowing = (path: string) => {
      times++;
      try {
        return reading([2_000_000, 8])(path)[0]?.toString("hex");
      } catch {
        return "nothing";
      }
    };
    expect(await look("org/one", swallowing)).toBe(WEIGHTS.subarray(2_000_000, 2_000_008).toString("hex"));
    expect(times).toBe(2);
  });

  it("may fail as on a file that is here", async () => {
    const failing = (path: string) => {
      reading([2_000_000, 8])(path);
      throw new Error("no model");
    };
    await expect(look("org/one", failing)).rejects.toThrow("no model");
    await expect(look("org/one", reading([SIZE - 4, 8]))).rejects.toMatchObject({
      code: "TRITC_E_FILE_READ",
      message: expect.stringMatching(/^org\/one\/diffusion.*ends before[\s\S]*a file of 20000000 bytes/),
    });
  });

  it("comes of one of several files, where the other is in the cache", async () => {
    await hubModel(...asked("org/two"));
    rmSync(join(folder("org/two"), "blobs", blobName(MORE)));
    hub.asked.length = 0;
    const found = await look("org/two", reading([2_000_000, 8, FIRST], [2_000_000, 8, SECOND]));
    expect(found).toEqual([WEIGHTS, MORE].map((bytes) => bytes.subarray(2_000_000, 2_000_008)));
    expect(rangesOf(WEIGHTS)).toEqual([]);
    expect(rangesOf(MORE)).toEqual([`bytes=0-${HEAD - 1}`, `bytes=2000000-${LAST}`]);
    expect(blobs("org/two")).not.toContain(blobName(MORE));
  });

  it("is in the cache under another name, or of another commit", async () => {
    await hubModel(...asked("org/two"));
    hub.asked.length = 0;
    const found = await look("org/two@other", reading([2_000_000, 8, FIRST]));
    expect(found[0]).toEqual(WEIGHTS.subarray(2_000_000, 2_000_008));
    expect(rangesOf(WEIGHTS)).toEqual([]);
    expect(rangesOf(MORE)).toEqual([]);
  });

  it("is asked of nobody where all is in the cache, or offline", async () => {
    await expect(look("org/one", reading([0, 1]), { offline: true })).rejects.toMatchObject({
      code: "TRITC_E_HUB_OFFLINE",
    });
    await look("org/one", reading([2_000_000, 8]));
    await expect(look("org/one", reading([0, 1]), { offline: true })).rejects.toMatchObject({
      code: "TRITC_E_HUB_OFFLINE",
    });
    await hubModel(...asked("org/one"));
    hub.asked.length = 0;
    expect((await look("org/one", reading([2_000_000, 8])))[0]).toEqual(
      WEIGHTS.subarray(2_000_000, 2_000_008),
    );
    await look("org/one", reading([0, SIZE]), { offline: true });
    expect(hub.asked).toEqual([]);
  });
});

describe("the model is downloaded", () => {
  const isWhole = (name = "org/one", bytes: Uint8Array = WEIGHTS) => {
    expect(readFileSync(join(folder(name), "blobs", blobName(bytes))).equals(bytes)).toBe(true);
    expect(readFileSync(join(folder(name), "refs/main"), "utf8")).toBe(COMMIT);
  };

  it("where it is small", async () => {
    expect((await look("org/small", reading([50_000, 8])))[0]).toEqual(SMALL.subarray(50_000, 50_008));
    expect(rangesOf(SMALL)).toEqual([undefined]);
    isWhole("org/small", SMALL);
  });

  it("where a large part of it is read", async () => {
    const notices: string[] = [];
    const given = { onNotice: (text: string) => notices.push(text) };
    const [found] = await look("org/one", reading([1_000_000, SIZE / 4]), given);
    expect(found?.equals(WEIGHTS.subarray(1_000_000, 1_000_000 + SIZE / 4))).toBe(true);
    expect(notices).toContain("org/one: more of the weights is read than a small part, so it is downloaded");
    // The large part was not asked for before.
    expect(rangesOf(WEIGHTS)).toEqual([`bytes=0-${HEAD - 1}`, undefined]);
    isWhole();
  });

  it("where it is read piece by piece", async () => {
    const notices: string[] = [];
    const each = async (path: string) => {
      for (let at = 1_000_000; at < 5_000_000; at += 50_000) reading([at, 4])(path);
    };
    await look("org/one", each, { onNotice: (text) => notices.push(text) });
    expect(notices).toContain("org/one: the weights are read piece by piece, so it is downloaded");
    isWhole();
  });

  it.each(["at once", "later"])("where the server takes no ranges, %s", async (when) => {
    const notices: string[] = [];
    hub.answer = (_, response, { host, range }) => {
      if (host !== "store" || (when === "later" && range?.startsWith("bytes=0-"))) return false;
      send(response, WEIGHTS, undefined);
      return true;
    };
    const [found] = await look("org/one", reading([2_000_000, 8]), {
      onNotice: (text) => notices.push(text),
    });
    expect(found).toEqual(WEIGHTS.subarray(2_000_000, 2_000_008));
    expect(notices).toContain("org/one: the server sends whole files alone, so it is downloaded");
    expect(rangesOf(WEIGHTS).length).toBe(when === "later" ? 3 : 2);
    isWhole();
  });
});

describe("an answer that is not the part", () => {
  const part = (begin: number, end: number, size: number | string = SIZE) => ({
    "content-range": `bytes ${begin}-${end}/${size}`,
  });
  const bytes = WEIGHTS.subarray(2_000_000, 2_000_008);

  it.each([
    ["from elsewhere", part(2_000_001, LAST + 1), bytes, `bytes 2000001-${LAST + 1}/20000000`],
    ["of another length", part(2_000_000, 2_000_010), bytes, "bytes 2000000-2000010/20000000"],
    ["of another file", part(2_000_000, LAST, 7_000_000), bytes, `bytes 2000000-${LAST}/7000000`],
    ["that does not say what it is", {}, bytes, "no range"],
    ["that is longer", part(2_000_000, LAST), WEIGHTS.subarray(2_000_000, 2_500_000), "more bytes"],
    [
      "that is encoded",
      { ...part(2_000_000, LAST), "content-encoding": "gzip" },
      bytes,
      "bytes encoded as gzip",
    ],
  ])("%s", async (_, headers, body, found) => {
    answerParts((response) => response.writeHead(206, { ...headers }).end(body));
    await expect(look("org/one", reading([2_000_000, 8]))).rejects.toMatchObject({
      code: "TRITC_E_HUB",
      details: { place: `org/one/${ONE}`, expected: `bytes 2000000-${LAST}`, found },
    });
    expect(blobs("org/one")).toEqual([blobName(CONFIG)]);
  });

  it.each([
    ["x-linked-etag", `"${"e".repeat(64)}"`],
    ["x-linked-size", "7"],
    ["x-repo-commit", "f".repeat(40)],
  ])("by its %s", async (header, value) => {
    hub.answer = (_, response, { path }) => {
      if (!path.endsWith(ONE)) return false;
      response.writeHead(302, { location: "/elsewhere", [header]: value }).end();
      return true;
    };
    await expect(look("org/one", reading([0, 8]))).rejects.toThrow(/says two things of a file/);
  });

  it.each([
    [401, "TRITC_E_HUB_NOT_FOUND"],
    [403, "TRITC_E_HUB_ACCESS"],
    [404, "TRITC_E_HUB_NOT_FOUND"],
    [416, "TRITC_E_HUB"],
    [500, "TRITC_E_HUB_NETWORK"],
  ])("but %d", async (status, code) => {
    answerParts((response) => response.writeHead(status).end());
    await expect(look("org/one", reading([2_000_000, 8]))).rejects.toMatchObject({ code });
  });

  it("is refused as a download is", async () => {
    const work = reading([2_000_000, 8]);
    await expect(look("org/none", work)).rejects.toMatchObject({ code: "TRITC_E_HUB_NOT_FOUND" });
    await expect(look("org/gated", work)).rejects.toMatchObject({ code: "TRITC_E_HUB_ACCESS" });
    expect((await look("org/gated", work, { token: "hf_open" }))[0]).toEqual(bytes);
    for (const { authorization } of stored()) expect(authorization).toBeUndefined();
  });

  it("but the first bytes of it, after which it goes on", async () => {
    const END = 2_099_999 + NEAR;
    let times = 0;
    answerParts((response, { range }) => {
      const [from = 0] = (range?.match(/\d+/g) ?? []).map(Number);
      response.writeHead(206, { ...part(from, END), "content-length": END + 1 - from });
      if (++times > 2) response.end(WEIGHTS.subarray(from, END + 1));
      else
        response.write(WEIGHTS.subarray(from, from + 30_000), () => setTimeout(() => response.destroy(), 50));
    });
    const [found] = await look("org/one", reading([2_000_000, 100_000]));
    expect(found?.equals(WEIGHTS.subarray(2_000_000, 2_100_000))).toBe(true);
    expect(times).toBe(3);
    const [, first, ...more] = rangesOf(WEIGHTS);
    expect(first).toBe(`bytes=2000000-${END}`);
    for (const range of more) expect(range).toMatch(new RegExp(`^bytes=20[1-9]\\d+-${END}$`));
  });

  it("from where the hub sent before, which has run out", async () => {
    let times = 0;
    hub.answer = (_, response, { host, range }) => {
      if (host !== "store" || range?.startsWith("bytes=0-") || ++times > 1) return false;
      response.writeHead(403).end();
      return true;
    };
    expect(await look("org/one", reading([2_000_000, 8]))).toEqual([bytes]);
    expect(times).toBe(2);
  });

  it("but nothing, again and again", async () => {
    answerParts((response) => response.destroy());
    await expect(look("org/one", reading([2_000_000, 8]))).rejects.toMatchObject({
      code: "TRITC_E_HUB_NETWORK",
    });
  });
});

it("Ctrl-C ends it while bytes come, and while it works", async () => {
  const reason = new Error("stopped");
  const whileFetching = new AbortController();
  answerParts((response) => {
    response.writeHead(206, { "content-range": `bytes 2000000-${LAST}/${SIZE}` });
    response.write(WEIGHTS.subarray(2_000_000, 2_000_004), () => whileFetching.abort(reason));
  });
  const fetching = look("org/one", reading([2_000_000, 8]), { signal: whileFetching.signal });
  await expect(fetching).rejects.toBe(reason);
  hub.answer = () => false;
  const whileWorking = new AbortController();
  const working = look(
    "org/one",
    (path) => {
      whileWorking.abort(reason);
      return reading([2_000_000, 8])(path);
    },
    { signal: whileWorking.signal },
  );
  await expect(working).rejects.toBe(reason);
});
