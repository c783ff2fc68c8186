/** Matrices that MLX has quantized give the values that MLX computes, to the bit, and are found in a model's files. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { withoutAffine } from "../../compiler/checkpoint/affine.js";
import { storedTensors } from "../../compiler/checkpoint/tensors.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import type { Constant } from "../../ir/constant/constant.js";
import { encodeHalf, roundToHalf } from "../../ir/constant/float16.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import { recipeProblem } from "../../ir/graph/verify-recipe.js";
import type { Tensor } from "../../ir/tensor.js";
import { cli } from "../support/cli.js";
import { diffusersConfig, fluxModel, type Tensors } from "../support/diffusers-model.js";
import { evaluateFlux } from "../support/evaluate-flux.js";
import { type FluxSize, TINY } from "../support/flux-style.js";
import { type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { flux2Config, flux2Model } from "../support/flux2-model.js";
import { modelFiles } from "../support/model-files.js";
import { dice } from "../support/mutate.js";

const MLX = fileURLToPath(new URL("models/affine.safetensors", import.meta.url));
/** More of MLX's: f16 in other groups, and its forms without biases. */
const GROUPS = parseSafetensors(
  readFileSync(fileURLToPath(new URL("models/affine-groups.safetensors", import.meta.url))),
);
const { root } = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());
let count = 0;

function folder(files: Readonly<Record<string, string | Uint8Array>>, name = `${count++}`): string {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

const mlx = parseSafetensors(readFileSync(MLX));

/** A folder with one quantized matrix, `w`. */
function matrix(
  form: string,
  config: object | undefined,
  metadata: Readonly<Record<string, string>> = {},
): string {
  const tensors = new Map<string, Tensor>();
  for (const leaf of ["weight", "scales", "biases"]) tensors.set(`w.${leaf}`, mlx.get(`${form}.${leaf}`)!);
  return folder({
    "model.safetensors": serialize(tensors, metadata),
    ...(config === undefined ? {} : { "quantization_config.json": JSON.stringify(config) }),
  });
}

const read = (path: string) => withoutAffine(storedTensors(join(path, "model.safetensors"))).constants;

describe.each(["f16", "bf16", "f32"])("scales in %s", (type) => {
  it.each([1, 2, 3, 4, 5, 6, 8])("%i bits", (bits) => {
    const constants = read(matrix(`${type}.${bits}`, { bits, group_size: 64, skip_patterns: ["norm"] }));
    expect([...constants.keys()]).toEqual(["w.weight"]);
    const weight = constants.get("w.weight")!;
    expect(weight).toMatchObject({ dtype: type, shape: [3, 128] });
    const { data } = mlx.get(`${type}.${bits}.expected`)!;
    expect(readConstant(weight, reader).data).toEqual(data);
    expect(readRows(weight, 1, 2, reader).data).toEqual(data.slice(128, 256));
    const flat = { ...weight, shape: [384], source: { kind: "reshape", of: weight } } as const;
    expect(readRows(flat, 37, 301, reader).data).toEqual(data.slice(37, 301));
  });
});

describe.each([32, 128])("groups of %i", (group) => {
  it.each([2, 3, 4, 5, 6, 8])("%i bits", (bits) => {
    const tensors = new Map<string, Tensor>();
    for (const leaf of ["weight", "scales", "biases"])
      tensors.set(`w.${leaf}`, GROUPS.get(`${group}.${bits}.${leaf}`)!);
    // As a `config.json` says it: for a module of its own, and for all others.
    const quantization = { group_size: 64, bits: 7, w: { group_size: group, bits } };
    const path = folder({
      "model.safetensors": serialize(tensors),
      "config.json": JSON.stringify({ quantization, quantization_config: quantization }),
    });
    const { data } = GROUPS.get(`${group}.${bits}.expected`)!;
    expect(readConstant(read(path).get("w.weight")!, reader).data).toEqual(data);
  });
});

describe.each(["mxfp4", "nvfp4", "mxfp8"])("MLX's %s", (mode) => {
  const tensors = new Map(["weight", "scales"].map((leaf) => [`w.${leaf}`, GROUPS.get(`${mode}.${leaf}`)!]));
  it.each([
    [{ mode, bits: 4, group_size: 32 }, `MLX's ${mode}`],
    [undefined, "MLX's codes without biases"],
  ])("is unread by its name: %j", (config, unread) => {
    const files = config === undefined ? {} : { "quantization_config.json": JSON.stringify(config) };
    const path = folder({ "model.safetensors": serialize(tensors), ...files });
    const found = withoutAffine(storedTensors(join(path, "model.safetensors")));
    expect([...found.constants]).toEqual([]);
    expect([...found.unread]).toEqual([["w.weight", unread]]);
  });
});

it("two bits with the bias of ternary weights round as others do", () => {
  const scales = [1 / 3, -0.7, 0, -0, 2 ** -24, 3e-7, 40_000, 65_504].map(roundToHalf);
  const inline = (dtype: "u8" | "f16", shape: readonly number[], bytes: Uint8Array): Constant => ({
    dtype,
    shape,
    source: { kind: "inline", bytes },
  });
  const halves = (values: readonly number[]) =>
    inline("f16", [1, scales.length], new Uint8Array(encodeHalf(values).buffer));
  const codes = inline("u8", [1, 8 * scales.length], new Uint8Array(8 * scales.length).fill(0b11_10_01_00));
  const weight: Constant = {
    dtype: "f16",
    shape: [1, 32 * scales.length],
    source: {
      ...{ kind: "affine", bits: 2, codes, scales: halves(scales) },
      biases: halves(scales.map((s) => -s)),
    },
  };
  const wanted = scales.flatMap((s) =>
    Array.from({ length: 32 }, (_, i) => roundToHalf(roundToHalf(s * (i % 4)) - s)),
  );
  const found = [...(readConstant(weight, reader).data as Float32Array)];
  expect(found.map((value) => (Object.is(value, -0) ? "-0" : value))).toEqual(
    wanted.map((value) => (Object.is(value, -0) ? "-0" : value)),
  );
});

describe("a configuration", () => {
  it("is looked for beside the file, then in its metadata", () => {
    const { data } = mlx.get("f16.4.expected")!;
    const constants = read(matrix("f16.4", undefined, { quantization_level: "4" }));
    expect(readConstant(constants.get("w.weight")!, reader).data).toEqual(data);
  });

  it.each<[string, object | undefined, RegExp]>([
    ["that is missing", undefined, /quantization_level: nothing says how many bits[\s\S]*found: {4}none/],
    ["without bits", { group_size: 64 }, /quantization_config\.json: bits: nothing says/],
    ["of no bits", { bits: 0, group_size: 64 }, /bits: nothing says[\s\S]*found: {4}0/],
    [
      "of other bits",
      { bits: 2, group_size: 64 },
      /w\.weight: codes, scales and biases[\s\S]*2 bits and groups of 64/,
    ],
    ["of other groups", { bits: 4, group_size: 128 }, /u32 \[3, 16\], f16 \[3, 2\], f16 \[3, 2\]/],
    ["of another mode", { bits: 4, group_size: 32, mode: "mxfp4" }, /mode: .*not read[\s\S]*found: {4}mxfp4/],
    ["of text", { bits: "4", group_size: 64 }, /bits: nothing says[\s\S]*found: {4}4/],
  ])("%s", (_, config, message) => {
    const path = matrix("f16.4", config);
    expect(() => read(path)).toThrow(message);
    expect(() => read(path)).toThrow(expect.objectContaining({ code: "TRITC_E_CHECKPOINT" }));
  });

  it("is not asked for where nothing is quantized", () => {
    const ids: Tensor = { dtype: "u32", shape: [2, 2], data: Uint32Array.of(1, 2, 3, 4) };
    const path = folder({ "model.safetensors": serialize(new Map([["ids.weight", ids]])) });
    expect(read(path).get("ids.weight")).toMatchObject({ dtype: "u32" });
  });
});

it("codes have the bytes that their width takes", () => {
  const constant = (dtype: "u8" | "f16", shape: readonly number[]) =>
    ({ dtype, shape, source: { kind: "fill", value: 0 } }) as const;
  const scales = constant("f16", [2, 2]);
  const source = { kind: "affine", codes: constant("u8", [2, 20]), bits: 2, scales, biases: scales } as const;
  expect(recipeProblem({ dtype: "f16", shape: [2, 64], source })).toEqual({
    expected: "[2, 16], [2, 2], [2, 2]",
    found: "[2, 20], [2, 2], [2, 2]",
  });
});

describe("a FLUX transformer of 2-bit matrices", () => {
  const SIZE: FluxSize = { ...TINY, heads: 1, axes: [16, 56, 56], mlp: 256 };
  const { packed, plain, matrices } = twoBit(fluxModel(SIZE, 3).diffusers);
  const config = JSON.stringify(diffusersConfig(SIZE));
  const quantization = JSON.stringify({ bits: 2, group_size: 128, mode: "affine" });
  const path = folder(
    {
      "config.json": config,
      "quantization_config.json": quantization,
      "diffusion_pytorch_model.safetensors": serialize(packed),
    },
    "bonsai/transformer-packed-mflux",
  );
  const reference = folder({
    "config.json": config,
    "diffusion_pytorch_model.safetensors": serialize(plain),
  });

  it("is what its values are, as a folder, within its pipeline's, and as a file", () => {
    const wanted = evaluateFlux(importModel(reference), SIZE, reader);
    for (const given of [path, join(path, ".."), join(path, "diffusion_pytorch_model.safetensors")]) {
      expect(evaluateFlux(importModel(given), SIZE, reader)).toEqual(wanted);
    }
  });

  it("compiles to the same weights, and inspect counts the matrices", async () => {
    const { stdout } = await cli(["inspect", path]);
    expect(stdout).toMatch(new RegExp(`^tensors .*MLX 2-bit x${matrices}\\b`, "m"));
    const weights: Buffer[] = [];
    for (const model of [path, reference]) {
      const out = join(root, `bundle-${weights.length}`);
      const argv = ["compile", model, "--target", "cpu", "--resolution", "64x64", "-o", out, "--quiet"];
      expect(await cli(argv)).toMatchObject({ code: 0, stderr: "" });
      weights.push(readFileSync(join(out, "weights.safetensors")));
    }
    expect(weights[0]).toEqual(weights[1]);
  });
});

it("a FLUX.2 transformer of 2-bit matrices is what its values are", () => {
  const size: FluxSize = { ...TINY2, heads: 1, axes: [32, 32, 32, 32], mlp: 256, doubles: 1 };
  const { packed, plain } = twoBit(flux2Model(size, { seed: 3 }).diffusers);
  const style: Flux2Style = { ...(STYLES2.torchscript as Flux2Style), guidance: false };
  const config = JSON.stringify(flux2Config(size));
  const evaluated = (tensors: Tensors, files: Readonly<Record<string, string>>) => {
    const path = folder({ "config.json": config, "0.safetensors": serialize(tensors), ...files });
    return evaluateFlux(importModel(path), size, reader, style);
  };
  const form = { bits: 2, group_size: 128 };
  const wanted = evaluated(plain, {});
  expect(evaluated(packed, { "quantization_config.json": JSON.stringify(form) })).toEqual(wanted);
  const own = { ...flux2Config(size), quantization: form, quantization_config: form };
  expect(evaluated(packed, { "config.json": JSON.stringify(own) })).toEqual(wanted);
  const scalesAlone = new Map([...packed].filter(([name]) => !name.endsWith(".biases")));
  const small = JSON.stringify({ ...form, mode: "mxfp4" });
  expect(() => evaluated(scalesAlone, { "quantization_config.json": small })).toThrow(
    /\.weight: the tensor is of a type that is not read[\s\S]*found: {4}MLX's mxfp4/,
  );
});

/** Matrices of whole groups of 128 with ternary values, the scale in half precision for a row; written as MLX has them. */
function twoBit(tensors: Tensors): { packed: Tensors; plain: Tensors; matrices: number } {
  const roll = dice(21);
  const packed = new Map<string, Tensor>();
  const plain = new Map<string, Tensor>();
  let matrices = 0;
  for (const [name, tensor] of tensors) {
    const [rows = 1, width = 1] = tensor.shape;
    packed.set(name, tensor);
    plain.set(name, tensor);
    if (tensor.shape.length !== 2 || width % 128 !== 0) continue;
    matrices++;
    const words = new Uint32Array((rows * width) / 16);
    const scales = new Float32Array((rows * width) / 128);
    const values = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const scale = roundToHalf((1 + roll(500)) / 5000);
      scales.fill(scale, (row * width) / 128, ((row + 1) * width) / 128);
      for (let k = row * width; k < (row + 1) * width; k++) {
        const code = roll(3);
        words[k >> 4]! |= code << (2 * (k & 15));
        values[k] = code === 1 ? 0 : scale * (code - 1);
      }
    }
    const module = name.replace(/\.weight$/, "");
    const groups = [rows, width / 128];
    packed.set(name, { dtype: "u32", shape: [rows, width / 16], data: words });
    packed.set(`${module}.scales`, { dtype: "f16", shape: groups, data: scales });
    packed.set(`${module}.biases`, { dtype: "f16", shape: groups, data: scales.map((s) => -s) });
    plain.set(name, { dtype: "f16", shape: tensor.shape, data: values });
  }
  return { packed, plain, matrices };
}
