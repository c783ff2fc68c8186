/** A server that speaks the hub's protocol, with a pipeline and other repositories. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { type HubModelOptions, hubModel, hubReference, hubSettings } from "../../compiler/hub/index.js";
import { blobName, COMMIT, FakeHub } from "../support/fake-hub.js";

/** Bytes that are no run of one value. */
export function noise(length: number, seed: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 255));
}

export const PLAIN = "diffusion_pytorch_model.safetensors";
export const CONFIG = JSON.stringify({ _class_name: "FluxTransformer2DModel" });
export const PARTS = [
  "diffusion_pytorch_model-00001-of-00002.safetensors",
  "diffusion_pytorch_model-00002-of-00002.safetensors",
];
export const INDEX = JSON.stringify({ weight_map: { a: PARTS[0], b: PARTS[1], c: PARTS[0] } });
export const LARGE = `transformer/${PARTS[0]}`;
export const PIPELINE: Readonly<Record<string, string | Uint8Array>> = {
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
export const WANTED = Object.keys(PIPELINE).filter(
  (path) =>
    /^(?:scheduler|text_encoder|tokenizer|transformer|vae)\/|^model_index/.test(path) &&
    !/fp16|\.bin|flax/.test(path),
);

export let hub: FakeHub;
export let home: string;
/** A hub for this test file, and a cache of its own for each test. */
export function useHub(): void {
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
        files: {
          "config.json": JSON.stringify({ model_type: "llama" }),
          "model.safetensors": noise(9000, 14),
        },
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
}

/** Lets another hub answer for a while, and closes it. */
export async function onHub(other: FakeHub, work: () => Promise<void>): Promise<void> {
  const kept = hub;
  hub = other;
  try {
    await work();
  } finally {
    hub = kept;
    await other.close();
  }
}

export interface Given extends HubModelOptions {
  readonly token?: string;
  readonly offline?: boolean;
  readonly revision?: string;
}

/** The model's folder or file, of a cache in `home`. */
export function model(name = "org/flux", { token, offline, revision, ...options }: Given = {}) {
  const reference = hubReference(name, revision);
  if (reference === undefined) throw new Error(`${name} is a path`);
  const settings = hubSettings({ token, offline, env: hub.env(home) });
  return hubModel(reference, settings, { retries: { attempts: 3, firstWait: 5 }, ...options });
}

export const repository = (name = "org/flux") => join(home, "hub", `models--${name.replace("/", "--")}`);
export const snapshot = (name?: string, commit = COMMIT) => join(repository(name), "snapshots", commit);
export const blobs = (name?: string) => readdirSync(join(repository(name), "blobs")).sort();
export const blob = (path: string) => join(repository(), "blobs", blobName(PIPELINE[path] ?? ""));

export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}
