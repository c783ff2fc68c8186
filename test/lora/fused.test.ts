/** Updates of joined linears, of weights without a bias, and what a bundle holds of them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  batchAxesOf,
  compileGraph,
  portTypesOf,
  recognize,
  withAdapters,
} from "../../compiler/compile-graph.js";
import { importModel } from "../../compiler/import-model.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import type { Graph, Node } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { reader } from "../recognize/models.js";
import { fluxModel } from "../support/diffusers-model.js";
import { TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { modelFiles } from "../support/model-files.js";
import { randomFloats } from "../support/random.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";
import { ORACLES, oracleFolder, oracleInputs } from "./oracle-model.js";

const files = modelFiles();
let count = 0;

function save(tensors: Readonly<Record<string, Tensor>>): string {
  const file = join(files.root, `${count++}.safetensors`);
  writeFileSync(file, serialize(new Map(Object.entries(tensors))));
  return file;
}

function random(seed: number, ...shape: readonly number[]): Tensor {
  return {
    dtype: "f32",
    shape,
    data: randomFloats(
      seed,
      shape.reduce((a, b) => a * b, 1),
      0.5,
    ),
  };
}

const plain = fluxModel(TINY);
const base = recognize(importModel(files.save(plain.onnx)), reader);
const inputs = new Map(TORCHSCRIPT.inputs.map(([role, name]) => [name, oracleInputs().get(role) as Tensor]));

function evaluate(graph: Graph, given = inputs): Tensor | undefined {
  const typed = new Map(
    [...given].map(([name, tensor]): [string, Tensor] =>
      graph.types.get(name)?.dtype === "i64"
        ? [name, { ...tensor, dtype: "i64", data: BigInt64Array.from(tensor.data as Float32Array, BigInt) }]
        : [name, tensor],
    ),
  );
  return [...interpret(graph, typed, { reader }).values()][0];
}

describe("linear1 in a model that has its parts apart", () => {
  const roles = ["q", "k", "v", "mlp.up"].map((part) => `single.1.${part}`);
  const W = Float64Array.from(
    roles.flatMap((role) => [...((plain.weights.get(role)?.data ?? []) as Float32Array)]),
  );
  const columns = 32;
  const rows = W.length / columns;
  const [down, up] = [random(1, 2, columns), random(2, rows, 2)];
  const delta = (i: number, scale: number) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const product = [0, 1].reduce(
      (sum, k) => sum + Number(up.data[row * 2 + k]) * Number(down.data[k * columns + column]),
      0,
    );
    return scale * product;
  };
  const NAME = "lora_unet_single_blocks_1_linear1";
  const factors = { [`${NAME}.lora_down.weight`]: down, [`${NAME}.lora_up.weight`]: up };

  /** The model with other weights for the four linears, written by hand. */
  function byHand(merged: Float64Array): Tensor | undefined {
    const edited = fluxModel(TINY, 1, (role, values) => {
      const before = roles.slice(0, roles.indexOf(role));
      if (!roles.includes(role)) return;
      const start = before.reduce((sum, r) => sum + (plain.weights.get(r)?.data.length ?? 0), 0);
      values.set(merged.subarray(start, start + values.length));
    });
    return evaluate(recognize(importModel(files.save(edited.onnx)), reader));
  }

  function normed(full: Float64Array, norms: Tensor, axis: 0 | 1): Float64Array {
    const squares = new Float64Array(axis === 0 ? rows : columns);
    const at = (i: number) => (axis === 0 ? Math.floor(i / columns) : i % columns);
    for (const [i, value] of full.entries()) squares[at(i)] = (squares[at(i)] ?? 0) + value ** 2;
    return full.map((value, i) => (value * Number(norms.data[at(i)])) / Math.sqrt(squares[at(i)] ?? 1));
  }

  const full = W.map((value, i) => value + delta(i, 1));
  const [rowNorms, columnNorms] = [random(3, rows, 1), random(4, 1, columns)];
  const lokr = { w1: random(5, 2, 4), w2: random(6, rows / 2, 8) };
  const kron = (i: number) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const [r, c] = [rows / 2, 8];
    return (
      Number(lokr.w1.data[Math.floor(row / r) * 4 + Math.floor(column / c)]) *
      Number(lokr.w2.data[(row % r) * c + (column % c)])
    );
  };

  it.each<[string, Readonly<Record<string, Tensor>>, number, Float64Array]>([
    ["DoRA by rows", { ...factors, [`${NAME}.dora_scale`]: rowNorms }, 1, normed(full, rowNorms, 0)],
    ["DoRA by columns", { ...factors, [`${NAME}.dora_scale`]: columnNorms }, 1, normed(full, columnNorms, 1)],
    [
      "DoRA in part, as ComfyUI takes it",
      { ...factors, [`${NAME}.dora_scale`]: columnNorms },
      0.25,
      normed(full, columnNorms, 1).map((value, i) => 0.75 * (W[i] ?? 0) + 0.25 * value),
    ],
    [
      "DoRA in part, as PEFT takes it",
      { ...factors, [`${NAME}.lora_magnitude_vector`]: { ...rowNorms, shape: [rows] } },
      0.25,
      normed(
        W.map((value, i) => value + delta(i, 0.25)),
        rowNorms,
        0,
      ),
    ],
    [
      "LoKr",
      { [`${NAME}.lokr_w1`]: lokr.w1, [`${NAME}.lokr_w2`]: lokr.w2 },
      -0.5,
      W.map((value, i) => value - 0.5 * kron(i)),
    ],
    [
      "a difference",
      { [`${NAME}.diff`]: { ...random(7, rows, columns, 1, 1) } },
      2,
      W.map((value, i) => value + 2 * Number(random(7, rows, columns).data[i])),
    ],
  ])("%s", (_, tensors, scale, merged) => {
    const { graph } = withAdapters(base, [{ file: save(tensors), scale }], reader);
    expect(relativeError(evaluate(graph), byHand(merged))).toBeLessThan(1e-5);
    expect(relativeError(evaluate(base), byHand(merged))).toBeGreaterThan(1e-3);
  });
});

it("gives a linear without bias, and a norm without scale, what an adapter adds", () => {
  const isTarget = (node: Node) => node.op === "linear" && node.attrs.role === "double.0.img.out";
  const bare = (zeros: boolean): Graph => {
    const constants = new Map(base.constants);
    const nodes = base.nodes.map((node): Node => {
      if (isTarget(node)) {
        const bias = base.constants.get(node.inputs[2] ?? "");
        if (zeros && bias !== undefined) {
          constants.set(node.inputs[2] ?? "", { ...bias, source: { kind: "fill", value: 0 } });
          return node;
        }
        return { ...node, inputs: [node.inputs[0] ?? "", node.inputs[1] ?? "", null] } as Node;
      }
      if (node.op !== "rms-norm") return node;
      const scale = base.constants.get(node.inputs[1] ?? "");
      if (!zeros || scale === undefined) return { ...node, inputs: [node.inputs[0] ?? ""] };
      constants.set(node.inputs[1] ?? "", { ...scale, source: { kind: "fill", value: 1 } });
      return node;
    });
    return { ...base, nodes, constants };
  };
  const file = save({
    "diffusion_model.double_blocks.0.img_attn.proj.diff_b": random(1, 32),
    "diffusion_model.double_blocks.0.img_attn.norm.query_norm.diff": random(2, 16),
  });
  const [without, withZeros] = [false, true].map((zeros) =>
    withAdapters(bare(zeros), [{ file, scale: 0.5 }], reader),
  );
  const wanted = evaluate(withZeros?.graph as Graph);
  expect(relativeError(evaluate(without?.graph as Graph), wanted)).toBe(0);
  expect(relativeError(evaluate(bare(false)), wanted)).toBeGreaterThan(1e-3);
  expect(without?.reports[0]?.forms).toEqual({ bias: 1, norm: 1 });
});

describe("a bundle", () => {
  let device: Device;
  beforeAll(async () => {
    device = await createNodeCpuDevice({ threads: 2 });
  });
  afterAll(() => device.close());

  it.each(["lycoris-dora-columns", "control"])("holds %s", async (name) => {
    const imported = importModel(oracleFolder(files));
    const file = join(ORACLES, name, "lora.safetensors");
    const { graph: recognized } = withAdapters(recognize(imported, reader), [{ file, scale: 1 }], reader);
    const compiled = await compileGraph(recognized, reader, {
      target: cpu,
      options: { ternarize: "none", activations: "f32" },
      sizes: {},
      batchAxes: batchAxesOf(imported, recognized),
      dtypes: portTypesOf(imported),
    });
    const own =
      name === "control" ? parseSafetensors(readFileSync(join(ORACLES, name, "in.safetensors"))) : new Map();
    const found = await runCompiled(compiled, reader, device, new Map([...inputs, ...own]));
    const wanted = parseSafetensors(readFileSync(join(ORACLES, name, "expected.safetensors"))).get("sample");
    expect(relativeError([...found.values()][0], wanted)).toBeLessThan(1e-4);
    expect(recognized.model?.inChannels).toBe(name === "control" ? 24 : 12);
  });
});
