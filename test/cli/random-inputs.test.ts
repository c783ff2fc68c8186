/** Inputs of a quick check are what they mean: positions on as many axes as the family has. */
import { expect, it } from "vitest";
import { planGraph } from "../../compiler/compile-graph.js";
import { randomInputs } from "../../compiler/tune/random-inputs.js";
import { substituteDim } from "../../ir/dim.js";
import type { Program } from "../../ir/program/program.js";
import { cpu } from "../../targets/index.js";
import { IN_MEMORY } from "../passes/support.js";
import { importBytes, recognized } from "../recognize/models.js";
import { buildFlux } from "../support/flux-builder.js";
import { TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { buildFlux2, type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";

function programOf(onnx: Uint8Array): Program {
  const options = { ternarize: "none", activations: "f32" } as const;
  const stages = { target: cpu, options, sizes: {}, batchAxes: new Map() };
  return planGraph(recognized(importBytes(onnx)), IN_MEMORY, stages).lowered.program;
}

function idsOf(onnx: Uint8Array): (name: string) => readonly number[][] {
  const program = programOf(onnx);
  const inputs = randomInputs(program);
  return (role) => {
    const port = program.inputs.find((input) => input.role === role);
    const { shape = [], data = [] } = inputs.get(port?.name ?? "") ?? {};
    const [tokens = 0, axes = 0] = shape.slice(-2);
    return Array.from({ length: tokens }, (_, i) => Array.from(data, Number).slice(i * axes, (i + 1) * axes));
  };
}

it("FLUX.1 has rows and columns of pictures", () => {
  const ids = idsOf(buildFlux(TORCHSCRIPT, TINY));
  expect(ids("img-ids").slice(5, 8)).toEqual([
    [0, 0, 5],
    [0, 1, 0],
    [0, 1, 1],
  ]);
  expect(ids("txt-ids")[3]).toEqual([0, 0, 0]);
});

it("FLUX.2 has positions of text besides", () => {
  const ids = idsOf(buildFlux2(STYLES2.torchscript as Flux2Style, TINY2));
  expect(ids("img-ids").slice(5, 8)).toEqual([
    [0, 0, 5, 0],
    [0, 1, 0, 0],
    [0, 1, 1, 0],
  ]);
  expect(ids("txt-ids").slice(0, 4)).toEqual([
    [0, 0, 0, 0],
    [0, 0, 0, 1],
    [0, 0, 0, 2],
    [0, 0, 0, 3],
  ]);
});

it.each([19, 30, 4])("an export for %d tokens of image and text together gets some of both", (sum) => {
  const program = programOf(buildFlux(TORCHSCRIPT, TINY));
  const text = { txt_tokens: `-img_tokens+${sum}` };
  const inputs = program.inputs.map((port) => ({
    ...port,
    shape: port.shape.map((dim) => substituteDim(dim, text)),
  }));
  const given = randomInputs({ ...program, inputs });
  const tokensOf = (role: string) =>
    given.get(inputs.find((port) => port.role === role)?.name ?? "")?.shape[0] ?? 0;
  expect(tokensOf("img-ids")).toBeGreaterThan(0);
  expect(tokensOf("txt-ids")).toBe(sum - tokensOf("img-ids"));
  expect(tokensOf("txt-ids")).toBeGreaterThan(0);
});
