/** A FLUX.1 checkpoint in a GGUF file is the model that the same values in safetensors are. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { roundToHalf } from "../../ir/constant/float16.js";
import type { DType } from "../../ir/dtype.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { cli } from "../support/cli.js";
import { diffusersConfig, fluxModel, type Tensors } from "../support/diffusers-model.js";
import { evaluateFlux } from "../support/evaluate-flux.js";
import { type FluxSize, TINY } from "../support/flux-style.js";
import { type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { flux2Model } from "../support/flux2-model.js";
import { type GgufTensor, ggufFile } from "../support/gguf-file.js";
import { modelFiles } from "../support/model-files.js";
import { dice } from "../support/mutate.js";
import { TERNARY_BLOCKS, type TernaryFormat, ternaryRows } from "../support/ternary-blocks.js";

const { root } = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());

/** Whole blocks in every linear of a block, heads as the families have them. */
const SIZE: FluxSize = { ...TINY, heads: 1, axes: [16, 56, 56], mlp: 256 };
const SIZE2: FluxSize = { ...TINY2, heads: 1, axes: [32, 32, 32, 32], mlp: 256, doubles: 1 };
const { original } = fluxModel(SIZE, 3);
const FLUX2 = flux2Model(SIZE2, { seed: 3 });
const BLOCK_MATRIX = /^(double|single)_blocks\..*\.weight$/;

interface Files {
  readonly gguf: Uint8Array;
  readonly safetensors: Uint8Array;
}

/** Block matrices in a ternary format, with one scale a row or one a block; other matrices in f16, the rest in f32. */
function model(
  format: TernaryFormat,
  perRow: boolean,
  prefix = "",
  of: Tensors = original,
  damaged: ReadonlyMap<string, Uint8Array> = new Map(),
): Files {
  const roll = dice(11);
  const tensors: GgufTensor[] = [];
  const values = new Map<string, Tensor>();
  const add = (name: string, kind: number, { dtype, shape, data }: Tensor) => {
    tensors.push({ name: `${prefix}${name}`, kind, shape, bytes: encodeBytes(dtype, data) });
    values.set(name, { dtype, shape, data });
  };
  for (const [name, tensor] of of) {
    const [rows = 1, width = 1] = tensor.shape;
    const floats = Float32Array.from(tensor.data, Number);
    if (tensor.shape.length === 1) add(name, 0, tensor);
    else if (!BLOCK_MATRIX.test(name))
      add(name, 1, { ...tensor, dtype: "f16", data: floats.map(roundToHalf) });
    else {
      const scales = Array.from({ length: rows }, () => roundToHalf((1 + roll(100)) / 1000));
      const scale = (row: number) => (perRow ? scales[row]! : roundToHalf((1 + roll(100)) / 1000));
      const packed = ternaryRows(format, [rows, width], () => roll(3), scale);
      const { kind } = TERNARY_BLOCKS[format];
      tensors.push({
        name: `${prefix}${name}`,
        kind,
        shape: tensor.shape,
        bytes: damaged.get(name) ?? packed.bytes,
      });
      values.set(name, { dtype: "f16" satisfies DType, shape: tensor.shape, data: packed.values });
    }
  }
  return { gguf: ggufFile({ tensors }), safetensors: serialize(values) };
}

let count = 0;
function saved(bytes: Uint8Array, name: string): string {
  const folder = join(root, `${count++}`);
  mkdirSync(folder);
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

describe.each<[TernaryFormat, string]>([
  ["Q2_0", ""],
  ["PTQ1_0", "model.diffusion_model."],
  ["Q1_0", ""],
])("%s under the prefix %j", (format, prefix) => {
  const { gguf, safetensors } = model(format, false, prefix);
  const wanted = evaluateFlux(importModel(saved(safetensors, "flux.safetensors")), SIZE, reader);

  it.each(["flux.gguf", "flux.safetensors", "model"])(
    "in a file called %s, and alone in its folder",
    (name) => {
      const file = saved(gguf, name);
      expect(evaluateFlux(importModel(file), SIZE, reader)).toEqual(wanted);
      expect(evaluateFlux(importModel(join(file, "..")), SIZE, reader)).toEqual(wanted);
    },
  );

  it("with a configuration beside it", () => {
    const file = saved(gguf, "flux.gguf");
    writeFileSync(join(file, "..", "config.json"), JSON.stringify(diffusersConfig(SIZE)));
    expect(evaluateFlux(importModel(file), SIZE, reader)).toEqual(wanted);
    expect(evaluateFlux(importModel(join(file, "..")), SIZE, reader)).toEqual(wanted);
  });
});

it("FLUX.2 under its original names, in a file whose tensors alone say what it is", () => {
  const { gguf, safetensors } = model("Q2_0", false, "", FLUX2.original);
  const evaluated = (file: string) =>
    evaluateFlux(importModel(file), SIZE2, reader, {
      ...(STYLES2.torchscript as Flux2Style),
      guidance: false,
    });
  expect(evaluated(saved(gguf, "klein.gguf"))).toEqual(evaluated(saved(safetensors, "klein.safetensors")));
});

it("another architecture's file is told by its tensors", () => {
  const file = saved(
    ggufFile({ tensors: [{ name: "blk.0.attn_q.weight", kind: 0, shape: [2], bytes: new Uint8Array(8) }] }),
    "llm.gguf",
  );
  expect(() => importModel(file)).toThrow(
    /no checkpoint of a FLUX transformer[\s\S]*found: {4}blk\.0\.attn_q\.weight/,
  );
});

it("inspect names the kinds of its tensors", async () => {
  const { stdout } = await cli(["inspect", saved(model("PQ2_0", true).gguf, "flux.gguf")]);
  const blocks = [...original.keys()].filter((name) => BLOCK_MATRIX.test(name)).length;
  const matrices = [...original.values()].filter(({ shape }) => shape.length === 2).length;
  const kinds = `F32 x${original.size - matrices}, PQ2_0 x${blocks}, F16 x${matrices - blocks}`;
  expect(stdout).toMatch(new RegExp(`^tensors +${kinds}$`, "m"));
});

describe.each([
  ["row", true],
  ["group", false],
])("with a scale for each %s", (_, perRow) => {
  it("compiles to the weights that safetensors give", async () => {
    const { gguf, safetensors } = model("PQ2_0", perRow);
    const weights: ReadonlyMap<string, Tensor>[] = [];
    for (const path of [saved(gguf, "flux.gguf"), saved(safetensors, "flux.safetensors")]) {
      const out = join(root, `bundle-${count++}`);
      const argv = ["compile", path, "--target", "cpu", "--resolution", "64x64", "-o", out, "--quiet"];
      expect(await cli(argv)).toMatchObject({ code: 0, stderr: "" });
      weights.push(parseSafetensors(readFileSync(join(out, "weights.safetensors"))));
    }
    expect(weights[0]).toEqual(weights[1]);
    // The widest: a single block's last, of three groups.
    const scales = [...(weights[0]?.values() ?? [])].filter(({ shape }) => `${shape}` === "128,3");
    expect(scales).toHaveLength(perRow ? 0 : SIZE.singles);
  });
});

it.each(["exact", "none"])(
  "exports with --ternarize %s what safetensors give, in half precision",
  async (ternarize) => {
    const { gguf, safetensors } = model("PQ2_0", false);
    const data: Buffer[] = [];
    for (const path of [saved(gguf, "flux.gguf"), saved(safetensors, "flux.safetensors")]) {
      const folder = join(root, `${count++}`);
      mkdirSync(folder);
      const argv = [
        "export-onnx",
        path,
        "--ternarize",
        ternarize,
        "-o",
        join(folder, "model.onnx"),
        "--quiet",
      ];
      expect(await cli(argv)).toMatchObject({ code: 0, stderr: "" });
      data.push(readFileSync(join(folder, "model.onnx_data")));
    }
    expect(data[0]).toEqual(data[1]);
  },
);

it("scales that are not finite are refused with the tensor that has them", async () => {
  const { bytes } = ternaryRows(
    "PQ2_0",
    [128, 384],
    () => 2,
    (row) => (row === 5 ? Number.NaN : 1),
  );
  const name = "single_blocks.1.linear2.weight";
  const { gguf } = model("PQ2_0", true, "", original, new Map([[name, bytes]]));
  const argv = ["compile", saved(gguf, "flux.gguf"), "--target", "cpu", "-o", join(root, "nan"), "--quiet"];
  const { code, stderr } = await cli(argv);
  expect(code).toBe(1);
  expect(stderr).toMatch(/single\.1\.out.*\n[\s\S]*TRITC_E_WEIGHT_NOT_FINITE/);
});
