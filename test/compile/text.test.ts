/**
 * Attention as text encoders have it, and weights and tables that devices hold in less than f32, from a graph to programs of every
 * target, against the interpreter.
 */
import { describe, expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile-graph.js";
import { byteLength } from "../../ir/dtype.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { interpret } from "../../ir/interpret/index.js";
import { HELD } from "../../ir/ops/held.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { READER } from "../interpret/run-op.js";
import { emulated } from "../support/emulated.js";
import { PROGRAM_DEVICES } from "../support/program-devices.js";
import { randomFloats } from "../support/random.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";
import { shareWebGpuDevices } from "../support/shared-webgpu.js";
import { TEXT_GRAPH, textInputs, VOCABULARY } from "../support/text-graph.js";

shareWebGpuDevices();
const WIDTH = 24;
const QWEN = graphOf('{"heads": 4, "scale": 0.35, "causal": true, "keyValueHeads": 2}', "_, %mask");
const T5 = graphOf('{"heads": 4, "scale": 1}', "%bias, _", 32);

/** q of 32 channels in 4 heads, and k and v of `narrow`. */
function graphOf(attrs: string, more: string, narrow = 16): Graph {
  return parseGraph(`graph "text" {
  input %x: f32[1, tokens, ${WIDTH}]
  input %mask: i64[1, tokens]
  input %bias: f32[4, 2*tokens-1]
  const %wq: f32[32, ${WIDTH}] = ${inline(1, 32 * WIDTH)}
  const %wk: f32[${narrow}, ${WIDTH}] = ${inline(2, narrow * WIDTH)}
  const %wv: f32[${narrow}, ${WIDTH}] = ${inline(3, narrow * WIDTH)}
  %q: f32[1, tokens, 32] = linear(%x, %wq) {"role": null, "activation": "none", "gated": false}
  %k: f32[1, tokens, ${narrow}] = linear(%x, %wk) {"role": null, "activation": "none", "gated": false}
  %v: f32[1, tokens, ${narrow}] = linear(%x, %wv) {"role": null, "activation": "none", "gated": false}
  %y: f32[1, tokens, 32] = attention(%q, %k, %v, ${more}) ${attrs}
  output %y
}`);
}

function inline(seed: number, count: number): string {
  return `hex(${Buffer.from(randomFloats(seed, count, 0.6).buffer).toString("hex")})`;
}

function inputsOf(tokens: number): ReadonlyMap<string, Tensor> {
  const mask = BigInt64Array.from({ length: tokens }, (_, key) => (key < tokens - 3 ? 1n : 0n));
  return new Map<string, Tensor>([
    ["x", { dtype: "f32", shape: [1, tokens, WIDTH], data: randomFloats(4, tokens * WIDTH) }],
    ["mask", { dtype: "i64", shape: [1, tokens], data: mask }],
    ["bias", { dtype: "f32", shape: [4, 2 * tokens - 1], data: randomFloats(5, 4 * (2 * tokens - 1), 2) }],
  ]);
}

describe.each(PROGRAM_DEVICES)("attention of text on %s", (_, target, open) => {
  it.each(HELD)("and lookups and linears, weights in %s, are the interpreter's", async (weights) => {
    const made = await compileGraph(TEXT_GRAPH, READER, {
      target,
      options: { ternarize: "none", activations: "f32", weights },
      sizes: { tokens: 40 },
      batchAxes: new Map(),
      ...(target.language === "cuda" ? { codegen: { emit: "source" } } : {}),
    });
    const { tensors } = made.lowered;
    const bytes = (name: string) =>
      tensors
        .filter((tensor) => tensor.name.startsWith(name))
        .reduce((sum, { dtype, shape }) => sum + byteLength(dtype, countOf(shape)), 0);
    expect(bytes("table")).toBe((VOCABULARY * 64 * { bf16: 16, int8: 8.5, int4: 4.5 }[weights]) / 8);
    const compiled = target.language === "cuda" ? await emulated(made) : made;
    const device = await open();
    try {
      for (const tokens of [3, 37]) {
        const inputs = textInputs(tokens);
        const wanted = interpret(made.graph, inputs, { reader: READER, precision: "f64" }).get("y");
        const found = (await runCompiled(compiled, READER, device, inputs)).get("y");
        expect(relativeError(found, wanted)).toBeLessThan(3e-6);
      }
    } finally {
      await device.close();
    }
  });

  it.each([
    ["Qwen3", QWEN],
    ["T5", T5],
  ] as const)("of %s is the interpreter's", async (_, graph) => {
    const made = await compileGraph(graph, READER, {
      target,
      options: { ternarize: "none", activations: "f32" },
      sizes: { tokens: 40 },
      batchAxes: new Map(),
      ...(target.language === "cuda" ? { codegen: { emit: "source" } } : {}),
    });
    const compiled = target.language === "cuda" ? await emulated(made) : made;
    const device = await open();
    try {
      for (const tokens of [5, 37]) {
        const inputs = inputsOf(tokens);
        const wanted = interpret(graph, inputs, { reader: READER, precision: "f64" }).get("y");
        const found = (await runCompiled(compiled, READER, device, inputs)).get("y");
        expect(relativeError(found, wanted)).toBeLessThan(3e-6);
      }
    } finally {
      await device.close();
    }
  });
});
