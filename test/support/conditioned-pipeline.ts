import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildFlux } from "./flux-builder.js";
import { STYLES, TINY } from "./flux-style.js";
import { model, node, tensor, value } from "./onnx-builder.js";

const SHAPES = join(import.meta.dirname, "..", "models", "shapes");
const LATENT = 16;

/** Pixels of a latent along each side, and what the stand-in encoder multiplies a latent's mean color with. */
export const SCALE = 8;
export const encoderWeight = (out: number, color: number): number => Math.sin(1 + 3 * out + color);

/** A VAE encoder that is easily followed: a latent is a mixture of the mean color of its 8x8 pixels. */
function meanEncoder(): Uint8Array {
  const weights = Array.from({ length: 2 * LATENT * 3 }, (_, i) => encoderWeight(Math.floor(i / 3), i % 3));
  return model(
    {
      inputs: [value("sample", "f32", ["b", 3, "h", "w"])],
      outputs: [value("latent_parameters", "f32", ["b", 2 * LATENT, "lh", "lw"])],
      initializers: [tensor("weights", "f32", [2 * LATENT, 3, 1, 1], weights)],
      nodes: [
        node("AveragePool", ["sample"], ["mean"], {
          kernel_shape: { ints: [SCALE, SCALE] },
          strides: { ints: [SCALE, SCALE] },
        }),
        node("Conv", ["mean", "weights"], ["latent_parameters"]),
      ],
    },
    { opset: 17 },
  );
}

/** A stand-in for T5 that takes any number of tokens: states are the ids, each channel at another scale. */
export function dynamicEncoder(): Uint8Array {
  const scales = Array.from({ length: 128 }, (_, i) => Math.sin(i) / 8);
  return model(
    {
      inputs: [value("input_ids", "i64", ["b", "s"])],
      outputs: [value("last_hidden_state", "f32", ["b", "s", 128])],
      initializers: [tensor("scales", "f32", [1, 1, 128], scales), tensor("axes", "i64", [1], [2])],
      nodes: [
        node("Cast", ["input_ids"], ["numbers"], { to: { i: 1 } }),
        node("Unsqueeze", ["numbers", "axes"], ["columns"]),
        node("Mul", ["columns", "scales"], ["last_hidden_state"]),
      ],
    },
    { opset: 17 },
  );
}

/** The small pipeline without its transformer, with a VAE encoder. */
export function writePipeline(folder: string): string {
  cpSync(SHAPES, folder, { recursive: true, filter: (from) => !/transformer|eval|README/.test(from) });
  mkdirSync(join(folder, "vae_encoder"));
  writeFileSync(join(folder, "vae_encoder", "model.onnx"), meanEncoder());
  return folder;
}

/**
 * A tiny transformer with random weights that fits the small pipeline, with these channels of latents; dynamic, or exported
 * for the picture and text of `TINY`.
 */
export function writeTransformer(path: string, inChannels: number, isStatic = false): string {
  const style = isStatic ? Object.values(STYLES).find((s) => s.tokens === null) : STYLES.torchscript;
  if (style === undefined) throw new Error("no such style");
  const size = { ...TINY, inChannels, outChannels: 4 * LATENT, contextDim: 128, pooledDim: 64 };
  writeFileSync(path, buildFlux(style, size));
  return path;
}
