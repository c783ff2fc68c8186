/** Ctrl-C is answered while ONNX Runtime computes, which nothing but the end of its process stops. */
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openOrtSession } from "../../runtime/node/ort-session.js";
import { builtCli } from "../support/built-cli.js";
import { copyBundle, rehash } from "../support/bundle-surgery.js";
import { childHasComputed } from "../support/computed.js";
import { graph, model, node, tensor, value } from "../support/onnx-builder.js";

const shapes = join(import.meta.dirname, "..", "models", "shapes");
const root = mkdtempSync(join(tmpdir(), "tritc-network-"));
afterAll(() => rmSync(root, { recursive: true }));
let main = "";

/** A network that multiplies matrices for years. */
function endless(
  inputs: readonly (readonly [name: string, type: "i64" | "f32", shape: readonly (number | string)[]])[],
  output: string,
): Uint8Array {
  const n = 64;
  const body = graph({
    name: "body",
    inputs: [value("i", "i64", []), value("c", "bool", []), value("a", "f32", [n, n])],
    outputs: [value("d", "bool", []), value("b", "f32", [n, n])],
    nodes: [node("Identity", ["c"], ["d"]), node("MatMul", ["a", "a"], ["b"])],
  });
  return model(
    {
      inputs: inputs.map(([name, type, shape]) => value(name, type, shape)),
      outputs: [value(output, "f32", [n, n])],
      initializers: [
        tensor("times", "i64", [], [2n ** 60n]),
        tensor("on", "bool", [], [1]),
        tensor("zeros", "f32", [n, n], new Array(n * n).fill(0)),
      ],
      nodes: [node("Loop", ["times", "on", "zeros"], [output], { body: { g: body } })],
    },
    { opset: 17 },
  );
}

const IDS = [
  ["input_ids", "i64", [1, "tokens"]],
  ["attention_mask", "i64", [1, "tokens"]],
] as const;

const ENDLESS = {
  text_encoder: endless(IDS, "pooler_output"),
  vae_decoder: endless([["latent_sample", "f32", [1, 16, "height", "width"]]], "sample"),
} as const;

/** A bundle in which all of these are endless. */
const endlessBundle = join(root, "endless");
beforeAll(async () => {
  main = await builtCli();
  const pipeline = join(root, "pipeline");
  cpSync(shapes, pipeline, { recursive: true });
  for (const [name, onnx] of Object.entries(ENDLESS)) {
    writeFileSync(join(pipeline, name, "model.onnx"), onnx);
  }
  await execa("node", [main, "compile", pipeline, "--target", "cpu", "-o", endlessBundle]);
}, 120_000);

describe.each(["text_encoder", "vae_decoder"] as const)("an endless %s", (name) => {
  it("ends with Ctrl-C", async () => {
    const folder = mkdtempSync(join(root, "f-"));
    const bundle = copyBundle(endlessBundle, folder);
    for (const other of Object.keys(ENDLESS).filter((key) => key !== name)) {
      const path = join(other, "model.onnx");
      copyFileSync(join(shapes, path), join(bundle, "pipeline", path));
    }
    rehash(bundle);
    const argv = ["run", bundle, "--prompt", "a ring", "--steps", "1", "--resolution", "64x64"];
    const child = execa("node", [main, ...argv, "-o", join(folder, "a.png")], { reject: false });
    // Nothing but the endless network computes for so long.
    await childHasComputed(child, 2);
    expect(child.exitCode).toBeNull();
    child.kill("SIGINT");
    const { exitCode, stderr } = await child;
    expect(exitCode).toBe(130);
    expect(stderr).toMatch(/interrupted[\s\S]*\[TRITC_E_INTERRUPTED\]/);
    expect(readdirSync(folder)).toEqual(["bundle"]);
  });
});

it("computes what ONNX Runtime computes in this process, to the bit", async () => {
  const file = join(shapes, "text_encoder", "model.onnx");
  const ids = [49406, 320, 1125, 2, 3, 49407].map((id) => id % 50);
  const here = await InferenceSession.create(readFileSync(file), { executionProviders: ["cpu"] });
  const there = await openOrtSession(file);
  const feeds = Object.fromEntries(
    there.inputs.map(({ name, type, shape }) => {
      const length = typeof shape[1] === "number" ? shape[1] : ids.length;
      const data = Float32Array.from({ length }, (_, i) => (name === "input_ids" ? (ids[i] ?? 1) : 1));
      return [name, { type, data, shape: [1, length] }];
    }),
  );
  const own = Object.entries(feeds).map(([name, { type, data, shape }]) => [
    name,
    type === "int64"
      ? new Tensor(
          "int64",
          BigInt64Array.from(data, (v) => BigInt(v)),
          shape,
        )
      : new Tensor("int32", Int32Array.from(data), shape),
  ]);
  const wanted = await here.run(Object.fromEntries(own));
  const found = await there.run(feeds);
  await there.close();
  await here.release();
  expect([...found.keys()]).toEqual(Object.keys(wanted));
  for (const [name, { data, shape }] of found) {
    expect(data).toEqual(wanted[name]?.data);
    expect(shape).toEqual(wanted[name]?.dims);
  }
});
