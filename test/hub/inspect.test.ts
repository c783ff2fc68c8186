/** `inspect` and `report` of models of the hub, of which little comes, say what they say of the files. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { serialize } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { builtCli } from "../support/built-cli.js";
import { cli } from "../support/cli.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { FakeHub } from "../support/fake-hub.js";
import type { FluxSize } from "../support/flux-style.js";
import { ggufFile } from "../support/gguf-file.js";
import { contents } from "../support/tree.js";

/** Large enough that it is not downloaded as a whole: 20 MB. */
const WIDE: FluxSize = {
  ...{ doubles: 2, singles: 1, heads: 2, axes: [16, 56, 56], mlp: 768, inChannels: 12, outChannels: 8 },
  ...{ contextDim: 20, pooledDim: 10, frequencies: 32, theta: 10000, img: 6, txt: 5 },
};
const SIZE = 20_000_000;
const shapes = join(import.meta.dirname, "../models/shapes");
const root = mkdtempSync(join(tmpdir(), "tritc-hub-inspect-"));
const kept = process.env.TMPDIR;
let main = "";
let hub: FakeHub;
let home: string;
let scratch: string;

/** Blocks whose rows hold {-0.5, 0, 0.5} alone. */
function ternaryOf([name, tensor]: readonly [string, Tensor]): readonly [string, Tensor] {
  if (!/^(?:single_)?transformer_blocks\..*\.weight$/.test(name) || tensor.shape.length < 2)
    return [name, tensor];
  const values = Array.from(tensor.data, Number);
  return [name, { ...tensor, data: Float32Array.from(values, (v) => Math.sign(v) / 2) }];
}

/** What says that it is a file of so many bytes, and is none. */
const hostile: Readonly<Record<string, Uint8Array>> = {
  "past-end.safetensors": header(BigInt(SIZE)),
  "huge.safetensors": header(1n << 62n),
  "no-json.safetensors": header(4_000_000n),
  "counts.gguf": ggufHeader(1n << 40n, 1n),
  "keys.gguf": ggufHeader(1n, 1n << 20n),
  "zeros.gguf": new Uint8Array(SIZE),
};

function header(length: bigint): Uint8Array {
  const bytes = Buffer.alloc(SIZE, "{ ");
  bytes.writeBigUInt64LE(length);
  return bytes;
}

function ggufHeader(...counts: readonly [bigint, bigint]): Uint8Array {
  const bytes = Buffer.alloc(SIZE, 1);
  bytes.set(ggufFile({ tensors: [], counts }));
  return bytes;
}

beforeAll(async () => {
  main = await builtCli();
  const { diffusers, original } = fluxModel(WIDE);
  const write = (name: string, tensors: ReadonlyMap<string, Tensor>, parts: number) =>
    writeDiffusers(join(root, name), diffusersConfig(WIDE), tensors, parts);
  write("wide", diffusers, 2);
  write("ternary", new Map([...diffusers].map(ternaryOf)), 1);
  const files: Readonly<Record<string, Uint8Array>> = {
    "flux.safetensors": serialize(original),
    "flux.gguf": ggufFile({
      tensors: [...original].map(([name, { shape, data }]) => ({
        ...{ name, shape, kind: 0 },
        bytes: new Uint8Array(Float32Array.from(data, Number).buffer),
      })),
    }),
    ...hostile,
  };
  mkdirSync(join(root, "files"));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(root, "files", name), bytes);
  hub = await FakeHub.open({
    "org/shapes": { files: contents(shapes) },
    "org/wide": { files: contents(join(root, "wide")) },
    "org/ternary": { files: contents(join(root, "ternary")) },
    "org/files": { files },
  });
}, 240_000);
afterAll(async () => {
  await hub.close();
  rmSync(root, { recursive: true });
}, 120_000);
beforeEach(() => {
  home = mkdtempSync(join(root, "home-"));
  scratch = join(home, "scratch");
  mkdirSync(scratch);
  process.env.TMPDIR = scratch;
  hub.enter(home);
});
afterEach(() => {
  expect(readdirSync(scratch).filter((name) => name.startsWith("tritc-hub-"))).toEqual([]);
  hub.leave();
  if (kept === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = kept;
  rmSync(home, { recursive: true });
});

/** Bytes of parts that were asked for. */
function partsAsked(): number {
  const ranges = hub.asked.flatMap(({ range }) => range ?? []);
  return ranges.reduce((sum, range) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
    return sum + Number(to) + 1 - Number(from);
  }, 0);
}
/** Weights in the cache. */
const largeBlobs = () =>
  Object.entries(contents(home))
    .filter(([path, { length }]) => /\bblobs\b/.test(path) && length > 1_000_000)
    .map(([path]) => path);

it.each([
  ["wide", [], 3_000_000],
  ["wide", ["--target", "cpu"], 3_000_000],
  ["shapes", [], 4_500_000],
  ["shapes", ["--target", "cpu"], 4_500_000],
  ["ternary", [], 3_000_000],
  ["files/flux.safetensors", [], 3_000_000],
  ["files/flux.gguf", [], 3_000_000],
])("inspect of %s with %j", { timeout: 60_000 }, async (name, more, most) => {
  const local = name === "shapes" ? shapes : join(root, name);
  const here = await cli(["inspect", local, ...more, "--json"]);
  expect(here.code, here.stdout).toBe(0);
  expect(hub.asked).toEqual([]);
  const there = await cli(["inspect", `org/${name}`, ...more, "--json"]);
  expect(there.code, there.stdout).toBe(0);
  expect(JSON.parse(there.stdout)).toEqual(JSON.parse(here.stdout));
  expect(there.stderr).toMatch(/reading parts of \d files?, [\s\S]* read\n$/);
  expect(partsAsked()).toBeGreaterThan(100_000);
  expect(partsAsked()).toBeLessThan(most);
  expect(largeBlobs()).toEqual([]);
});

it("downloads what is read as a whole", { timeout: 60_000 }, async () => {
  const more = ["--target", "cpu", "--json"];
  const here = await cli(["inspect", join(root, "ternary"), ...more]);
  const there = await cli(["inspect", "org/ternary", ...more]);
  expect([there.code, there.stdout]).toEqual([0, here.stdout]);
  expect(JSON.parse(there.stdout)).toMatchObject({ ternaryAlready: [{ group: null }] });
  expect(there.stderr).toMatch(/so it is downloaded\n.*downloading 1 file/);
  expect(largeBlobs().length).toBe(1);
});

it("report draws the page that it draws of the folder", { timeout: 60_000 }, async () => {
  const page = async (model: string, file: string) => {
    const out = join(home, file);
    const { code, stderr } = await cli(["report", model, "--target", "cpu", "-o", out]);
    expect(code, stderr).toBe(0);
    return readFileSync(out, "utf8");
  };
  expect(await page("org/wide", "there.html")).toBe(await page(join(root, "wide"), "here.html"));
  expect(partsAsked()).toBeLessThan(3_000_000);
  expect(largeBlobs()).toEqual([]);
});

it.each(Object.keys(hostile))("%s is refused as it is from a file", async (name) => {
  const refused = async (model: string) => {
    const { code, stdout } = await cli(["inspect", model, "--json"]);
    expect(code).toBe(1);
    return JSON.parse(stdout.replaceAll(`${root}/files`, "org/files")) as object;
  };
  expect(await refused(`org/files/${name}`)).toEqual(await refused(join(root, "files", name)));
});

it("Ctrl-C leaves nothing", { timeout: 60_000 }, async () => {
  const half = new Promise<void>((resolve) => {
    hub.answer = (_, response, { host, range }) => {
      if (host !== "store" || !range || range.startsWith("bytes=0-")) return false;
      const [from = "0", to = "0"] = range.match(/\d+/g) ?? [];
      response.writeHead(206, { "content-range": `bytes ${from}-${to}/*` });
      response.write("some", () => setTimeout(resolve, 300));
      return true;
    };
  });
  const running = execa("node", [main, "inspect", "org/wide"], { reject: false });
  await half;
  expect(readdirSync(scratch).length).toBe(1);
  running.kill("SIGINT");
  const { exitCode, stderr, stdout } = await running;
  expect([exitCode, stderr, stdout]).toEqual([130, expect.stringContaining("TRITC_E_INTERRUPTED"), ""]);
  expect(readdirSync(scratch)).toEqual([]);
});
