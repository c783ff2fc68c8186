/** The sample model's VAE as the package holds it: the constants in f16, the pictures the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import onnxProto, { type onnx as Onnx } from "onnx-proto";
import { describe, expect, it } from "vitest";
import { halveWeights } from "../../benchmarks/build/half-weights.js";
import { decodeHalf } from "../../ir/constant/float16.js";
import type { Tensor } from "../../ir/tensor.js";
import { randomFloats } from "../support/random.js";
import { openOnnx } from "../support/run-onnx.js";

const { ModelProto } = onnxProto.onnx;
const FILE = readFileSync(join(import.meta.dirname, "../models/shapes/vae_decoder/model.onnx"));
const HALVED = halveWeights(FILE);

const constantsOf = (file: Uint8Array) => ModelProto.decode(file).graph?.initializer ?? [];
const bytesOf = ({ rawData }: Onnx.ITensorProto) => Uint8Array.from(rawData ?? []).buffer;

describe("halveWeights", () => {
  it("rounds each constant to its nearest f16, and leaves the small ones", () => {
    const halved = new Map(constantsOf(HALVED).map((tensor) => [tensor.name, tensor]));
    let rounded = 0;
    for (const tensor of constantsOf(FILE)) {
      const half = halved.get(`${tensor.name}.f16`);
      if (half === undefined) {
        expect(halved.get(tensor.name)).toEqual(tensor);
        continue;
      }
      expect([half.dataType, half.dims]).toEqual([10, tensor.dims]);
      const values = decodeHalf(new Uint16Array(bytesOf(half)));
      for (const [i, value] of new Float32Array(bytesOf(tensor)).entries()) {
        // Half of an f16's last place, which is 2^-10 of its power of two, or 2^-24 of subnormal ones.
        const place = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), -14) - 10);
        if (Math.abs((values[i] ?? 0) - value) > place / 2) expect.fail(`${value} became ${values[i]}`);
        rounded++;
      }
    }
    expect(rounded).toBeGreaterThan(700_000);
    expect(HALVED.length).toBeLessThan(FILE.length * 0.51);
  });

  it("gives a model that draws the same picture, to a level of 255", async () => {
    const latents: Tensor = { dtype: "f32", shape: [1, 16, 8, 8], data: randomFloats(3, 1024) };
    const [full, half] = await Promise.all(
      [FILE, HALVED].map(async (file) => {
        const model = await openOnnx(file);
        const sample = (await model.run(new Map([["latent_sample", latents]]))).get("sample");
        await model.release();
        return Array.from(sample?.data as Float32Array, (v) => Math.round((v + 1) * 127.5));
      }),
    );
    const differences = full?.map((level, i) => Math.abs(level - (half?.[i] ?? Number.NaN))) ?? [];
    expect(new Set(full).size).toBeGreaterThan(100);
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
  });

  it("refuses weights that f16 cannot hold", () => {
    const data = new Float32Array(2048).fill(70_000);
    const model = ModelProto.encode({
      graph: {
        initializer: [{ name: "large", dims: [2048], dataType: 1, rawData: new Uint8Array(data.buffer) }],
      },
    });
    expect(() => halveWeights(model.finish())).toThrow("large has values that f16 has not");
  });
});
