/** FLUX.1-dev's blocks lowered for CUDA: what is fused, and what is stored in bf16. Weights are never read. */

import { describe, expect, it } from "vitest";
import { FLUX_DEV_KERNELS, fluxGraph } from "../../benchmarks/flux-graph.js";
import { planProgram } from "../../benchmarks/gpu/plan.js";
import { lower } from "../../compiler/lower/index.js";
import { narrowValues } from "../../compiler/lower/narrow-values.js";
import { parseGraph } from "../../ir/graph/parse.js";
import type { Launch, Program } from "../../ir/program/program.js";
import { targetByName } from "../../targets/index.js";
import { byPhase } from "../support/phases.js";

const planned = (activations: "int8" | "bf16") =>
  planProgram(fluxGraph(FLUX_DEV_KERNELS), targetByName("h200"), activations).lowered;

/** `family label` of the launches of a block, with what its first and last argument are stored in. */
function launchesOf(program: Program, from: string, to: string): readonly string[] {
  const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  const step = byPhase(program).step;
  const index = (label: string) => step.findIndex((launch) => launch.label === label);
  const print = ({ kernel: id, label }: Launch) => {
    const kernel = kernels.get(id);
    const types = [kernel?.args.at(0)?.dtype, kernel?.args.at(-1)?.dtype];
    const heads =
      kernel?.params.headDim === undefined && kernel?.params.heads !== undefined ? " with heads" : "";
    return `${kernel?.family} ${label}: ${types.join(" → ")}${heads}`;
  };
  return step.slice(index(from) - 1, index(to) + 1).map(print);
}

describe("a single block", () => {
  it("is six launches with int8 activations", () => {
    expect(launchesOf(planned("int8").program, "single.0.qkv", "single.0.out")).toEqual([
      "adaln-quantize adaln-quantize: f32 → i32",
      "ternary-gemm single.0.qkv: i8 → bf16 with heads",
      "ternary-gemm single.0.mlp.up: i8 → bf16",
      "attention attention: bf16 → bf16",
      "quantize-rows quantize-rows: bf16 → i32",
      "ternary-gemm single.0.out: i8 → f32",
    ]);
  });

  it("needs no quantization with bf16 activations", () => {
    expect(launchesOf(planned("bf16").program, "single.0.qkv", "single.0.out")).toEqual([
      "adaln adaln: f32 → bf16",
      "ternary-gemm single.0.qkv: bf16 → bf16 with heads",
      "ternary-gemm single.0.mlp.up: bf16 → bf16",
      "attention attention: bf16 → bf16",
      "ternary-gemm single.0.out: bf16 → f32",
    ]);
  });
});

it("multiplies queries and keys in int8 where asked", () => {
  const params = (attention: "bf16" | "int8") => {
    const { graph } = planProgram(fluxGraph(FLUX_DEV_KERNELS), targetByName("a10"), "int8");
    const target = targetByName("a10");
    const { program } = lower(graph, {
      target,
      sizes: {},
      batchAxes: new Map(),
      storage: "bf16",
      attention,
    });
    return program.kernels.find(({ family }) => family === "attention")?.params;
  };
  expect(params("int8")).toMatchObject({ headDim: 128, storage: "bf16", int8: true });
  expect(params("bf16")).not.toHaveProperty("int8");
});

it("gives both streams of a double block one buffer of q, k and v", () => {
  const { program } = planned("int8");
  const { kernels } = program;
  const heads = byPhase(program).step.filter(({ label }) => /^double\.0\.(img|txt)\.qkv$/.test(label));
  const attention = byPhase(program).step.find(
    ({ kernel }) => kernels.find(({ id }) => id === kernel)?.family === "attention",
  );
  const joint = heads.map(({ args }) => args.at(-1));
  expect(joint.map((arg) => arg?.buffer)).toEqual(Array(2).fill(attention?.args[0]?.buffer));
  // Text rows come first.
  expect(joint.map((arg) => arg?.offset)).toEqual([0, "9216*txt_tokens"]);
  expect(attention?.args.slice(0, 3).map((arg) => arg.offset)).toEqual([0, 3072, 6144]);
});

describe("narrowValues", () => {
  const narrow = (lines: string) =>
    [
      ...narrowValues(
        parseGraph(`graph "g" {
  input %x: f32[1, n, 16]
  input %w: f32[1, n, 12]
  ${lines}
}`),
      ),
    ].sort();

  it("are those between kernels that store bf16", () => {
    expect(
      narrow(`%a: f32[1, n, 16] = gelu(%x) {"approximate": "tanh"}
  %b: f32[1, n, 16] = rms-norm(%a, _) {"axis": 2, "epsilon": 0.001, "group": 8}
  %c: f32[1, n, 16] = unary(%b) {"fn": "neg"}
  output %c`),
    ).toEqual(["a"]);
  });

  it("keep parts and what they are cut from alike, and whole vectors", () => {
    const parts = (width: number, start: number) =>
      narrow(`%a: f32[1, n, 16] = gelu(%x) {"approximate": "tanh"}
  %p: f32[1, n, ${width}] = part(%a) {"axis": 2, "start": ${start}, "length": ${width}}
  %q: f32[1, n, 8] = part(%a) {"axis": 2, "start": 0, "length": 8}
  %b: f32[1, n, ${width}] = silu(%p)
  %d: f32[1, n, 8] = silu(%q)
  output %b, %d`);
    expect(parts(8, 8)).toEqual(["a", "p", "q"]);
    expect(parts(8, 4)).toEqual([]);
    expect(parts(12, 0)).toEqual([]);
  });

  it("leave what attention reads in f32 where one of its operands is", () => {
    const attention = (last: string) =>
      narrow(`%q: f32[1, n, 16] = gelu(%x) {"approximate": "tanh"}
  %k: f32[1, n, 16] = silu(%x)
  %v: f32[1, n, 16] = ${last}
  %o: f32[1, n, 16] = attention(%q, %k, %v) {"heads": 2, "scale": 0.5}
  %y: f32[1, n, 16] = gelu(%o) {"approximate": "tanh"}
  output %y`);
    expect(attention("silu(%x)")).toEqual(["k", "o", "q", "v"]);
    expect(attention('unary(%x) {"fn": "neg"}')).toEqual([]);
  });
});
