import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { evaluateDim } from "../../ir/dim.js";
import { parseHeader, parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import { imageIds, latentGeometry, textIds } from "../../ir/models/flux1/latents.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { evaluateFolder, openBundle } from "../../runtime/node/bundle.js";
import { openGenerator } from "../../runtime/node/generate.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { initialLatents, makeNoise } from "../../runtime/noise.js";
import { sample } from "../../runtime/sampler.js";
import { makeSchedule } from "../../runtime/scheduler.js";
import { builtCli } from "../support/built-cli.js";
import { relativeError } from "../support/run-compiled.js";
import { prepareChromium, SOFTWARE_WEBGPU, WITHOUT_GPU, withPage } from "./chromium.js";
import { startServer, type TestServer } from "./server.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tritc-browser-"));
const ternary = join(folder, "ternary");
const float = join(folder, "float");
const whole = join(folder, "whole");
/** What the sampler is asked for; the text sizes are those of the ternary model. */
const SAMPLE = { size: 64, seed: 11, steps: 3, contextTokens: 5 };
const servers: { isolated?: TestServer; plain?: TestServer; strict?: TestServer } = {};
let ternaryInputs: ReadonlyMap<string, Tensor> = new Map();
let floatInputs: ReadonlyMap<string, Tensor> = new Map();

beforeAll(async () => {
  // The browser loads the built modules.
  await builtCli();
  const models = join(root, "test/models");
  await compileModel({
    input: join(models, "shapes-ternary/transformer"),
    out: ternary,
    target: "cpu",
    ternarize: "exact",
    activations: "int8",
    resolutions: [{ width: SAMPLE.size, height: SAMPLE.size }],
  });
  const optimum = join(models, "import/ts17-optimum");
  await compileModel({
    input: optimum,
    out: float,
    target: "webgpu",
    ternarize: "none",
    activations: "f32",
    resolutions: [{ width: 64, height: 64 }],
  });
  await compileModel({
    input: join(models, "diffusers/flux1"),
    out: whole,
    target: "cpu",
    ternarize: "exact",
    activations: "int8",
    resolutions: [{ width: 64, height: 48 }],
  });
  ternaryInputs = await inputsOf(ternary);
  floatInputs = parseSafetensors(new Uint8Array(readFileSync(join(optimum, "inputs.safetensors"))));
  writeFileSync(join(folder, "ternary.safetensors"), serialize(ternaryInputs));
  writeFileSync(join(folder, "float.safetensors"), serialize(floatInputs));
  const folders = {
    "/dist/": join(root, "dist"),
    "/data/": folder,
    "/test/": join(root, "test/browser"),
    "/bundle/": whole,
  };
  const tokenizers = readFileSync(
    join(root, "node_modules/@huggingface/tokenizers/dist/tokenizers.mjs"),
    "utf8",
  );
  servers.isolated = await startServer({
    folders,
    files: { "/": examplePage(), "/tokenizers.js": tokenizers },
    isolated: true,
  });
  servers.plain = await startServer({ folders });
  servers.strict = await startServer({ folders, isolated: true, policy: "worker-src 'self'" });
  if (process.env.TRITC_CHROMIUM === undefined) await prepareChromium();
}, 120_000);

afterAll(async () => {
  await servers.isolated?.close();
  await servers.plain?.close();
  await servers.strict?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The page of docs/browser.md, followed by a script that asks it to draw and reports what it shows in the end. */
function examplePage(): string {
  return `${readFileSync(join(root, "docs/examples/browser.html"), "utf8")}<script type="module">
    const report = async () => {
      const { state } = document.body.dataset;
      if (state === undefined) return;
      const shown = document.querySelector("output").value;
      if (state === "ready") {
        document.querySelector("form").requestSubmit();
        return;
      }
      const { width, height } = document.querySelector("canvas");
      const pixels = document.querySelector("canvas").getContext("2d").getImageData(0, 0, width, height).data;
      await fetch("/report", { method: "POST", body: JSON.stringify({ state, shown, width, height, pixels: [...pixels] }) });
    };
    new MutationObserver(report).observe(document.body, { attributes: true });
    report();
  </script>`;
}

/** Inputs on a SAMPLE-sized picture: noise where the model reads numbers, ids where it reads positions. */
async function inputsOf(bundleFolder: string): Promise<ReadonlyMap<string, Tensor>> {
  const { program } = await openBundle(bundleFolder);
  const geometry = latentGeometry(SAMPLE.size, SAMPLE.size);
  const bindings = { img_tokens: geometry.imageTokens, txt_tokens: SAMPLE.contextTokens, steps: 1 };
  const tensors = new Map<string, Tensor>();
  const given: Readonly<Record<string, Float32Array>> = {
    "img-ids": imageIds(geometry),
    "txt-ids": textIds(SAMPLE.contextTokens),
    timestep: Float32Array.of(0.625),
    guidance: Float32Array.of(3.5),
  };
  for (const [index, { name, role, shape }] of program.inputs.entries()) {
    if (role === "coefficient") continue;
    const sizes = shape.map((dim) => evaluateDim(dim, bindings));
    const data = given[role ?? ""] ?? makeNoise(100 + index, countOf(sizes));
    tensors.set(name, { dtype: "f32", shape: sizes, data });
  }
  return tensors;
}

/** What the page shows in the end; pixels are RGBA. */
interface PageReport {
  readonly state: string;
  readonly shown: string;
  readonly width: number;
  readonly height: number;
  readonly pixels: readonly number[];
}

interface ProbeReport {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Runs test/browser/probe.js in a Chromium, on a page or in a worker, and returns what it posts. */
async function probe(
  server: TestServer | undefined,
  bundle: "ternary" | "float",
  flags: readonly string[],
  how: { readonly sample?: boolean; readonly worker?: boolean } = {},
): Promise<ProbeReport> {
  if (server === undefined) throw new Error("no server");
  const query = new URLSearchParams({ bundle: `/data/${bundle}`, inputs: `/data/${bundle}.safetensors` });
  if (how.sample === true) query.set("sample", JSON.stringify(SAMPLING));
  if (how.worker === true) query.set("worker", "");
  const body = await withPage(`${server.origin}/test/probe.html?${query}`, flags, server.nextPost());
  return { metadata: parseHeader(body, body.length).metadata, tensors: parseSafetensors(body) };
}

/** The same evaluation and sampling by the cpu device of Node. */
async function inNode(): Promise<ReadonlyMap<string, Tensor>> {
  const { program, code, weights } = await openBundle(ternary);
  const device = await openDevice("cpu");
  const loaded = await device.load(program, code, weights);
  const floats = (name: string) => Float32Array.from(ternaryInputs.get(name)?.data as Float32Array);
  try {
    const tensors = await evaluateBundle(loaded, program, ternaryInputs);
    const geometry = latentGeometry(SAMPLE.size, SAMPLE.size);
    const config = readSchedulerConfig({ use_dynamic_shifting: true });
    const data = await sample(loaded, program, {
      geometry,
      schedule: makeSchedule(config, { steps: SAMPLE.steps, imageTokens: geometry.imageTokens }),
      latents: initialLatents(SAMPLE.seed, geometry),
      context: floats("encoder_hidden_states"),
      contextTokens: SAMPLE.contextTokens,
      pooled: floats("pooled_projections"),
      guidance: 3.5,
    });
    return tensors.set("sampled", { dtype: "f32", shape: [data.length], data });
  } finally {
    await loaded.close();
    await device.close();
  }
}

const SAMPLING = { ...SAMPLE, context: "encoder_hidden_states", pooled: "pooled_projections" };

describe("a bundle in Chromium", { timeout: 150_000 }, () => {
  it("gives Node's bytes on the cpu target, on one thread and on several, called from page and worker", async () => {
    const wanted = await inNode();
    const { hash } = await openBundle(ternary);
    for (const [isolated, worker] of [
      [true, false],
      [true, true],
      [false, false],
    ] as const) {
      const server = isolated ? servers.isolated : servers.plain;
      const { metadata, tensors } = await probe(server, "ternary", WITHOUT_GPU, { sample: true, worker });
      expect(metadata.get("error")).toBeUndefined();
      expect(Object.fromEntries(metadata)).toMatchObject({
        isolated: String(isolated),
        page: String(!worker),
        targets: "cpu",
        hash,
        device: expect.stringContaining(isolated ? "3 threads" : "1 thread,"),
        steps: String(SAMPLE.steps),
      });
      expect([...tensors.keys()].sort()).toEqual([...wanted.keys()].sort());
      for (const [name, { shape, data }] of wanted) {
        const found = tensors.get(name);
        expect(found?.shape).toEqual(shape);
        expect(data.some((x) => x !== 0)).toBe(true);
        expect(Buffer.compare(bytesOf(found), bytesOf({ data }))).toBe(0);
      }
    }
  });

  it("gives the CPU's numbers on WebGPU, or says that there is none", async () => {
    const [{ metadata, tensors }, inNode] = await Promise.all([
      probe(servers.isolated, "float", SOFTWARE_WEBGPU),
      evaluateFolder(float, Object.fromEntries(floatInputs), { software: true }),
    ]);
    if (metadata.has("error")) {
      // A Chromium whose software adapter does not start on this machine.
      expect(metadata.get("code")).toBe("TRITC_E_NO_ADAPTER");
      expect(metadata.get("error")).toContain("no suitable WebGPU adapter");
      return;
    }
    const [expected] = parseSafetensors(
      new Uint8Array(readFileSync(join(root, "test/models/import/ts17-optimum/expected.safetensors"))),
    ).values();
    expect([...tensors.keys()]).toEqual(Object.keys(inNode));
    for (const [name, tensor] of tensors) {
      expect(relativeError(tensor, inNode[name])).toBeLessThan(1e-4);
      expect(relativeError(tensor, expected)).toBeLessThan(1e-4);
    }
  });

  it("says what to do where WebGPU is missing", async () => {
    const { metadata } = await probe(servers.isolated, "float", WITHOUT_GPU);
    expect(metadata.get("code")).toBe("TRITC_E_NO_ADAPTER");
    expect(metadata.get("error")).toContain("--target cpu");
  });

  it("does not wait for workers that the page's policy forbids", async () => {
    const { metadata } = await probe(servers.strict, "ternary", WITHOUT_GPU);
    expect(metadata.get("code")).toMatch(/^TRITC_E_/);
    expect(metadata.get("error")).toContain("worker-src blob:");
  });

  it("runs the page of docs/browser.md", async () => {
    const server = servers.isolated;
    if (server === undefined) throw new Error("no server");
    const body = await withPage(`${server.origin}/`, WITHOUT_GPU, server.nextPost());
    const report: PageReport = JSON.parse(new TextDecoder().decode(body));
    expect(report).toMatchObject({
      state: "done",
      shown: expect.stringMatching(/^64x48, drawn on WebAssembly/),
      ...{ width: 64, height: 48 },
    });
    const generator = await openGenerator(whole, { threads: 2 });
    const wanted = await generator.generate({
      ...{ prompt: "a photo of a red circle left of a blue square", seed: 7 },
    });
    await generator.close();
    expect(new Set(wanted.rgb).size).toBeGreaterThan(50);
    const rgb = report.pixels.filter((_, i) => i % 4 < 3);
    expect(rgb.length).toBe(wanted.rgb.length);
    const distances = rgb.map((value, i) => Math.abs(value - (wanted.rgb[i] ?? 0)));
    expect(Math.max(...distances)).toBeLessThanOrEqual(1);
  });
});

function bytesOf(tensor: Pick<Tensor, "data"> | undefined): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor?.data ?? new Uint8Array();
  return new Uint8Array(buffer, byteOffset, byteLength);
}
