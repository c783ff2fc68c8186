/** Synthetic FLUX models: the real graph at any size, with weights like trained ones. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import {
  fluxSize,
  type SyntheticFlux,
  synthesizeFlux,
  WEIGHTS_NAME,
} from "../../benchmarks/synthesize/flux.js";
import { KLEIN_4B, kleinTensors, writeKleinFolder } from "../../benchmarks/synthesize/klein.js";
import { TEXT_MODELS, writeTextFolder } from "../../benchmarks/synthesize/text.js";
import { type PlacedTensor, writeSyntheticWeights } from "../../benchmarks/synthesize/weights.js";
import { losslessGroup } from "../../compiler/analysis/lossless-group.js";
import { importAndRecognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { textNetwork } from "../../compiler/networks/text/index.js";
import { type Constant, type ConstantSource, operandsOf } from "../../ir/constant/constant.js";
import { readConstant } from "../../ir/constant/read.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { countOf } from "../../ir/tensor.js";
import { fluxInputs } from "../support/flux-builder.js";
import { TINY, TORCHSCRIPT } from "../support/flux-style.js";

const root = mkdtempSync(join(tmpdir(), "tritc-synthesize-"));
afterAll(() => rmSync(root, { recursive: true }));

/** Wide enough that the statistics of its matrices show. */
const SIZE = { ...TINY, heads: 24, mlp: 1536, doubles: 1, singles: 1 };

async function write(name: string, flux: SyntheticFlux, seed: number): Promise<string> {
  const file = await open(join(root, `${name}.data`), "w");
  await writeSyntheticWeights(file, flux.tensors, seed, () => undefined);
  await file.close();
  return join(root, `${name}.data`);
}

/** Rows of a tensor in f32. */
function rowsOf(bytes: Buffer, { offset, bytes: length, shape }: PlacedTensor): Float32Array[] {
  const columns = shape.at(-1) ?? 1;
  const words = new Uint32Array(length / 2);
  for (let i = 0; i < words.length; i++) words[i] = bytes.readUInt16LE(offset + 2 * i) << 16;
  const values = new Float32Array(words.buffer);
  return Array.from({ length: length / 2 / columns }, (_, row) =>
    values.subarray(row * columns, (row + 1) * columns),
  );
}

/** The mean of the squares, or of their squares. */
function meanOf(x: Float32Array, power: 2 | 4): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const square = (x[i] ?? 0) ** 2;
    sum += power === 2 ? square : square * square;
  }
  return sum / x.length;
}

it("has the parameters of FLUX.1 at full size", () => {
  const count = (model: "dev" | "schnell") =>
    synthesizeFlux(model, fluxSize(19, 38)).tensors.reduce(
      (sum, t) => sum + t.shape.reduce((a, b) => a * b, 1),
      0,
    );
  expect(count("dev")).toBe(11_901_408_320);
  expect(count("schnell")).toBe(11_891_178_560);
});

describe("FLUX.2 klein 4B", () => {
  it("has the parameters of the real one, and its block linears are ternary", () => {
    const tensors = kleinTensors(KLEIN_4B, 128);
    const sum = (counted: typeof tensors) => counted.reduce((total, { shape }) => total + countOf(shape), 0);
    expect(sum(tensors)).toBe(3_875_544_576);
    expect(sum(tensors.filter(({ group }) => group === 128))).toBe(3_680_501_760);
  });

  it("is one model unpacked and as MLX quantizes it, in groups of 128 inputs", async () => {
    const sizes = { ...KLEIN_4B, doubleBlocks: 1, singleBlocks: 1, heads: 2, mlpWidth: 768, contextDim: 256 };
    const [unpacked, mlx] = await Promise.all(
      (["unpacked", "mlx"] as const).map(async (form) => {
        const folder = join(root, form);
        await writeKleinFolder(folder, sizes, kleinTensors(sizes, 128), { form, seed: 1 });
        return importModel(folder).constants;
      }),
    );
    const reader = fileReader();
    const ternary = kleinTensors(sizes, 128).filter(({ group }) => group !== null);
    expect(ternary).toHaveLength(14);
    for (const [id, weight] of unpacked ?? []) {
      const quantized = mlx?.get(id) as Constant;
      expect(readConstant(quantized, reader).data).toEqual(readConstant(weight, reader).data);
      if (!/^(double|single)\..*\.weight$/.test(id) || weight.shape.length < 2) continue;
      const found = { group: 128, scales: "f16" };
      for (const form of [weight, quantized])
        expect(losslessGroup(form, reader, [null, 256, 128, 64])).toEqual(found);
    }
    reader.close();
  });
});

describe.each([
  ["clip-l", 123_060_480, 123_060_480],
  ["t5-xxl", 4_762_310_656, 4_762_310_656],
  // Of 36 layers, and of those up to the last whose states are read, which lack the last norm too.
  ["qwen3-4b", 4_022_468_096, 4_022_468_096 - 9 * 100_930_816 - 2560],
] as const)("%s", (name, parameters, read) => {
  it("has the parameters of the real one, which a text encoder is built of without reading a weight", async () => {
    const model = TEXT_MODELS[name]();
    expect(model.tensors.reduce((sum, { shape }) => sum + countOf(shape), 0)).toBe(parameters);
    const folder = join(root, name);
    await writeTextFolder(folder, model, { seed: 0, sparse: true, onProgress: () => undefined });
    const graph = textNetwork(folder, name === "qwen3-4b" ? "Flux2KleinPipeline" : "FluxPipeline").build();
    verifyGraph(graph);
    const weights = [...graph.constants.values()].filter(({ source }) => isFromFile(source));
    expect(weights.reduce((sum, { shape }) => sum + countOf(shape), 0)).toBe(read);
  });
});

function isFromFile(source: ConstantSource): boolean {
  return source.kind === "file" || operandsOf(source).some((of) => isFromFile(of.source));
}

describe("the weights", () => {
  const flux = synthesizeFlux("dev", SIZE);

  it("follow from the seed", async () => {
    const [a, again, b] = [
      await write("a", flux, 1),
      await write("again", flux, 1),
      await write("b", flux, 2),
    ];
    expect(readFileSync(again).equals(readFileSync(a))).toBe(true);
    expect(readFileSync(b).equals(readFileSync(a))).toBe(false);
    expect(statSync(a).size).toBe(flux.bytes);
  });

  it("have tails, a few outlier rows, and scales of their own", async () => {
    const bytes = readFileSync(await write("c", flux, 3));
    const matrices = flux.tensors
      .filter(({ shape }) => shape.length === 2 && (shape[0] ?? 0) >= 384)
      .map((tensor) => ({ ...tensor, rows: rowsOf(bytes, tensor) }));
    const scales = matrices.map(({ rows, scale }) => {
      const deviations = rows.map((row) => Math.sqrt(meanOf(row, 2))).sort((x, y) => x - y);
      const median = deviations[deviations.length >> 1] ?? 0;
      const usual = rows.filter((row) => Math.sqrt(meanOf(row, 2)) < 3 * median);
      expect(rows.length - usual.length).toBeLessThan(rows.length / 50);
      const fourth = usual.reduce((sum, row) => sum + meanOf(row, 4), 0) / usual.length;
      const second = usual.reduce((sum, row) => sum + meanOf(row, 2), 0) / usual.length;
      // A normal distribution has 3.
      expect(fourth / second ** 2).toBeGreaterThan(3.5);
      return median / scale;
    });
    const outliers = matrices.some(({ rows }) => {
      const deviations = rows.map((row) => Math.sqrt(meanOf(row, 2)));
      return Math.max(...deviations) > 4 * Math.min(...deviations);
    });
    expect(outliers).toBe(true);
    expect(Math.max(...scales) / Math.min(...scales)).toBeGreaterThan(1.5);
  });
});

it("is a model that ONNX Runtime runs and tritc recognizes", async () => {
  const flux = synthesizeFlux("dev", SIZE);
  const folder = mkdtempSync(join(root, "model-"));
  writeFileSync(join(folder, "model.onnx"), flux.onnx);
  writeFileSync(join(folder, WEIGHTS_NAME), readFileSync(await write("d", flux, 4)));
  const reader = fileReader();
  const { model } = importAndRecognize(join(folder, "model.onnx"), reader);
  reader.close();
  expect(model).toMatchObject({ doubleBlocks: 1, singleBlocks: 1, hidden: 24 * 16, heads: 24 });

  const session = await InferenceSession.create(join(folder, "model.onnx"), { logSeverityLevel: 3 });
  const style = { ...TORCHSCRIPT, weightType: "bf16" } as const;
  const feeds = Object.entries(fluxInputs(style, SIZE, { img: 6, txt: 5 })).map(
    ([name, { type, dims, values }]) => {
      const data = type === "i64" ? BigInt64Array.from(values, BigInt) : Float32Array.from(values);
      return [name, new OrtTensor(type === "i64" ? "int64" : "float32", data, dims)] as const;
    },
  );
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  const out = results.out_hidden_states?.data as Float32Array;
  expect(out.every(Number.isFinite)).toBe(true);
  expect(Math.max(...out.map(Math.abs))).toBeGreaterThan(0);
}, 120_000);
