/** A model that is written to after it was imported, and before its weights are packed, is refused. */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { TINY } from "../support/flux-style.js";

const MODELS = join(import.meta.dirname, "..", "models");
const root = mkdtempSync(join(tmpdir(), "tritc-changed-"));
afterAll(() => rmSync(root, { recursive: true }));

/** Each at its weight file: safetensors, inside the ONNX file, and outside of it. */
const SOURCES: Readonly<Record<string, () => Promise<string>>> = {
  safetensors: async () => {
    const folder = mkdtempSync(join(root, "m-"));
    writeDiffusers(folder, diffusersConfig(TINY), fluxModel(TINY).diffusers);
    return join(folder, "diffusion_pytorch_model.safetensors");
  },
  ONNX: async () => {
    const folder = mkdtempSync(join(root, "m-"));
    cpSync(join(MODELS, "import", "ts17-optimum", "model.onnx"), join(folder, "model.onnx"));
    return join(folder, "model.onnx");
  },
  "external data": async () => {
    const folder = mkdtempSync(join(root, "m-"));
    cpSync(join(MODELS, "shapes", "transformer"), folder, { recursive: true });
    return join(folder, "model.onnx_data");
  },
};

const CHANGES: Readonly<Record<string, (path: string) => void>> = {
  "overwritten, with its time put back": (path) => {
    const { atime, mtime } = statSync(path);
    const bytes = readFileSync(path);
    bytes.fill(0, bytes.length - 64);
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
  },
  "replaced by an older file": (path) => {
    const other = `${path}.other`;
    cpSync(path, other);
    utimesSync(other, 1e9, 1e9);
    renameSync(other, path);
  },
};

describe.each(Object.keys(SOURCES))("%s", (kind) => {
  it.each(Object.keys(CHANGES))("%s", async (how) => {
    const path = (await SOURCES[kind]?.()) ?? "";
    const out = mkdtempSync(join(root, "o-"));
    let isChanged = false;
    const compiled = compileModel({
      input: join(path, ".."),
      out: join(out, "bundle"),
      target: "cpu",
      ternarize: "exact",
      activations: "f32",
      threads: 0,
      onProgress: ({ phase }) => {
        if (phase !== "kernels" || isChanged) return;
        isChanged = true;
        CHANGES[how]?.(path);
      },
    });
    await expect(compiled).rejects.toMatchObject({
      code: "TRITC_E_SOURCE_CHANGED",
      message: expect.stringContaining(path),
    });
    expect(readdirSync(out)).toEqual([]);
  });
});
