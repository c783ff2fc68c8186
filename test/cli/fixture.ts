import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serialize } from "../../ir/format/safetensors.js";
import { allocate, type Tensor } from "../../ir/tensor.js";
import { cli } from "../support/cli.js";
import { buildFlux, fluxInputs } from "../support/flux-builder.js";
import { STYLES, TINY } from "../support/flux-style.js";
import { model, node, tensor, value } from "../support/onnx-builder.js";
import type { Fixture, SmallFixture } from "./cases/case.js";

/** y = gelu(x·w + b)[i] */
function smallModel(): Uint8Array {
  const w = Array.from({ length: 64 }, (_, k) => Math.sin(k));
  return model(
    {
      inputs: [value("x", "f32", ["n", 8]), value("i", "i64", [2])],
      outputs: [value("y", "f32", [2, 8])],
      initializers: [tensor("w", "f32", [8, 8], w), tensor("b", "f32", [8], w.slice(0, 8))],
      nodes: [
        node("MatMul", ["x", "w"], ["xw"]),
        node("Add", ["xw", "b"], ["xwb"]),
        node("Gelu", ["xwb"], ["g"]),
        node("Gather", ["g", "i"], ["y"], { axis: { i: 0 } }),
      ],
    },
    { opset: 20 },
  );
}

const STYLE = STYLES.torchscript;

function fluxTensors(): ReadonlyMap<string, Tensor> {
  if (STYLE === undefined) throw new Error("no such style");
  const inputs = fluxInputs(STYLE, TINY, { img: 6, txt: 5 });
  return new Map(
    Object.entries(inputs).map(([name, { type, dims, values }]) => {
      const dtype = type === "i64" ? "i64" : "f32";
      const data = allocate(dtype, values.length);
      for (const [k, v] of values.entries()) {
        if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[k] = BigInt(v);
        else data[k] = v;
      }
      return [name, { dtype, shape: dims, data }];
    }),
  );
}

async function compile(model: string, out: string, ...more: readonly string[]): Promise<void> {
  const { code, stderr } = await cli(["compile", model, "--target", "cpu", "-o", out, ...more]);
  if (code !== 0) throw new Error(stderr);
}

/** Writes the files of the small graph, the bundle by the command line under test. */
export async function makeSmallFixture(folder: string): Promise<SmallFixture> {
  mkdirSync(folder, { recursive: true });
  const fixture: SmallFixture = {
    model: join(folder, "small.onnx"),
    inputs: join(folder, "inputs.safetensors"),
    generic: join(folder, "small-bundle"),
  };
  writeFileSync(fixture.model, smallModel());
  const x = Float32Array.from({ length: 16 }, (_, k) => Math.cos(k));
  const inputs: ReadonlyMap<string, Tensor> = new Map<string, Tensor>([
    ["x", { dtype: "f32", shape: [2, 8], data: x }],
    ["i", { dtype: "i64", shape: [2], data: BigInt64Array.of(1n, 0n) }],
  ]);
  writeFileSync(fixture.inputs, serialize(inputs));
  await compile(fixture.model, fixture.generic, "--ternarize", "none");
  return fixture;
}

/** Writes all valid files. */
export async function makeFixture(folder: string): Promise<Fixture> {
  if (STYLE === undefined) throw new Error("no such style");
  const fixture: Fixture = {
    ...(await makeSmallFixture(folder)),
    flux: join(folder, "flux.onnx"),
    bundle: join(folder, "flux-bundle"),
    bundleInputs: join(folder, "flux-inputs.safetensors"),
  };
  writeFileSync(fixture.flux, buildFlux(STYLE, TINY));
  writeFileSync(fixture.bundleInputs, serialize(fluxTensors()));
  await compile(fixture.flux, fixture.bundle);
  return fixture;
}
