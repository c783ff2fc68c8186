import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import type { Tensor } from "../../ir/tensor.js";
import { type DownloadProgress, openBrowserDevice, openBundleUrl } from "../../runtime/browser/index.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { evaluateFolder, openBundle } from "../../runtime/node/bundle.js";
import { buildFlux, fluxInputs } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY } from "../support/flux-style.js";
import { startServer, type TestServer } from "./server.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-url-"));
const bundle = join(folder, "bundle");
let server: TestServer | undefined;

/** The address of a path of the test server. */
const url = (path: string) => `${server?.origin}${path}`;

/** A copy of the bundle with one file rewritten or removed. */
function altered(name: string, path: string, change: ((bytes: Buffer) => Uint8Array) | null): string {
  cpSync(bundle, join(folder, name), { recursive: true });
  const file = join(folder, name, path);
  if (change === null) rmSync(file);
  else writeFileSync(file, change(readFileSync(file)));
  return url(`/${name}`);
}

const flip = (bytes: Buffer) => {
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  return bytes;
};

beforeAll(async () => {
  const pipeline = join(folder, "pipeline");
  const shapes = new URL("../models/shapes/", import.meta.url);
  for (const part of ["model_index.json", "scheduler"]) {
    cpSync(new URL(part, shapes), join(pipeline, part), { recursive: true });
  }
  const input = join(folder, "model.onnx");
  writeFileSync(input, buildFlux(style(), TINY));
  await compileModel({
    input,
    out: bundle,
    pipeline,
    target: "cpu",
    ternarize: "exact",
    activations: "int8",
  });
  server = await startServer({ folders: { "/": folder }, broken: { "/broken/manifest.json": 503 } });
}, 60_000);

afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

function style(): FluxStyle {
  const [first] = Object.values(STYLES);
  if (first === undefined) throw new Error("no styles");
  return first;
}

function inputs(): ReadonlyMap<string, Tensor> {
  const given = fluxInputs(style(), TINY, { img: TINY.img, txt: TINY.txt });
  return new Map(
    Object.entries(given).map(([name, { dims, values }]) => [
      name,
      { dtype: "f32", shape: dims, data: Float32Array.from(values) },
    ]),
  );
}

describe("openBundleUrl", () => {
  it("opens what openBundle opens, with or without a slash, query and fragment", async () => {
    const local = await openBundle(bundle);
    for (const tail of ["", "/", "?v=1#part"]) {
      const { url: found, hash, manifest, program } = await openBundleUrl(url(`/bundle${tail}`));
      expect(found).toBe(url("/bundle/"));
      expect(hash).toBe(local.hash);
      expect(manifest).toEqual(local.manifest);
      expect(program).toEqual(local.program);
    }
  });

  it("evaluates as the folder does", async () => {
    const { program, code, weights } = await openBundleUrl(url("/bundle"));
    const device = await openBrowserDevice("cpu");
    const loaded = await device.load(program, code, weights);
    const found = await evaluateBundle(loaded, program, inputs());
    await loaded.close();
    await device.close();
    expect(Object.fromEntries(found)).toEqual(await evaluateFolder(bundle, Object.fromEntries(inputs())));
  });

  it("tells how far each download is", async () => {
    const seen = new Map<string, DownloadProgress>();
    const { manifest } = await openBundleUrl(url("/bundle"), { onProgress: (p) => seen.set(p.path, p) });
    const { bytes } = manifest.files.find((file) => file.path === "weights.safetensors") ?? { bytes: 0 };
    expect(seen.get("weights.safetensors")).toEqual({
      path: "weights.safetensors",
      loaded: bytes,
      total: bytes,
    });
    expect(seen.has("graph.ir")).toBe(false);
  });

  it("reads and checks other files on demand", async () => {
    const path = "pipeline/scheduler/scheduler_config.json";
    const { readFile } = await openBundleUrl(url("/bundle"));
    expect(Buffer.from(await readFile(path))).toEqual(readFileSync(join(bundle, path)));
    const changed = await openBundleUrl(altered("changed-config", path, flip));
    await expect(changed.readFile(path)).rejects.toMatchObject({ code: "TRITC_E_BUNDLE_FILE" });
    await expect(changed.readFile("../secret")).rejects.toMatchObject({ code: "TRITC_E_BUNDLE_FILE" });
  });

  const kernel = () => {
    const { binary } = JSON.parse(readFileSync(join(bundle, "manifest.json"), "utf8")).kernels[0];
    return String(binary);
  };
  it.each([
    ["a changed weight", "weights.safetensors", flip, "was changed after it was written"],
    ["cut weights", "weights.safetensors", (b: Buffer) => b.subarray(0, -4), "does not have its size"],
    ["missing weights", "weights.safetensors", null, "is missing"],
    ["a changed program", "program.json", flip, "was changed after it was written"],
    ["a changed kernel", "kernel", flip, "was changed after it was written"],
    ["a missing kernel", "kernel", null, "is missing"],
  ] as const)("refuses %s", async (name, path, change, message) => {
    const at = altered(name.replaceAll(" ", "-"), path === "kernel" ? kernel() : path, change);
    const opened = openBundleUrl(at);
    await expect(opened).rejects.toMatchObject({ code: "TRITC_E_BUNDLE_FILE" });
    await expect(opened).rejects.toThrow(message);
    await expect(opened).rejects.toThrow(at);
  });

  it("says when there is no bundle, no server, no permission, and no address", async () => {
    const refused = (at: string) => expect(openBundleUrl(at)).rejects;
    await refused(url("/elsewhere")).toMatchObject({ code: "TRITC_E_NOT_A_BUNDLE" });
    await refused(url("/broken")).toThrow(
      /manifest\.json: the file cannot be downloaded[\s\S]*HTTP status 503/,
    );
    await refused("http://127.0.0.1:1/bundle").toMatchObject({ code: "TRITC_E_FETCH" });
    await refused("bundle").toMatchObject({ code: "TRITC_E_FETCH" });
  });

  it("stops with the signal's reason", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(openBundleUrl(url("/bundle"), { signal })).rejects.toThrow("enough");
  });
});

describe("openBrowserDevice", () => {
  it("names what is missing", async () => {
    await expect(openBrowserDevice("webgpu")).rejects.toMatchObject({ code: "TRITC_E_NO_ADAPTER" });
    await expect(openBrowserDevice("cuda")).rejects.toMatchObject({ code: "TRITC_E_TARGET" });
  });
});
