/** Attention with what text encoders have besides: against plain loops, and against ONNX Runtime once written as ONNX. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { differentiate } from "../../compiler/gradient/differentiate.js";
import { writeModelFiles } from "../../compiler/onnx-export/files.js";
import { type Port, writeGraph } from "../../compiler/onnx-export/graph.js";
import { GraphEditor } from "../../compiler/rewrite/graph-editor.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import type { OpAttrs } from "../../ir/ops/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { type AttentionOperands, attentionByLoops } from "../support/attention-terms.js";
import { runOnnx } from "../support/run-onnx.js";
import { f32, of } from "./onnx-case.js";
import { READER, run } from "./run-op.js";

type Attrs = OpAttrs["attention"];

interface Sizes {
  readonly batch?: number;
  readonly queries: number;
  readonly keys: number;
  readonly headDim?: number;
  /** The first tokens, which the mask is of; all keys if absent. */
  readonly masked?: number;
}

const bias = (heads: number, queries: number, keys: number) => f32(heads, queries + keys - 1);
/** Every third key is left out, never the first. */
const mask = (dtype: Tensor["dtype"], batch: number, keys: number) =>
  of(
    dtype,
    [batch, keys],
    Array.from({ length: batch * keys }, (_, i) =>
      i % keys === 0 || (i + Math.floor(i / keys)) % 3 ? 1 : 0,
    ),
  );

function operands(attrs: Attrs, sizes: Sizes, withBias: boolean, maskOf: Tensor["dtype"] | null) {
  const { batch = 2, queries, keys, headDim = 4, masked = keys } = sizes;
  const narrow = (attrs.keyValueHeads ?? attrs.heads) * headDim;
  return [
    f32(batch, queries, attrs.heads * headDim),
    f32(batch, keys, narrow),
    f32(batch, keys, narrow),
    withBias ? bias(attrs.heads, queries, keys) : null,
    maskOf === null ? null : mask(maskOf, batch, masked),
  ] as const satisfies AttentionOperands;
}

const SAME = { queries: 7, keys: 7 };
const CASES: readonly (readonly [string, Attrs, Sizes, boolean, Tensor["dtype"] | null])[] = [
  ["causal", { heads: 3, scale: 0.5, causal: true }, SAME, false, null],
  ["with a bias", { heads: 3, scale: 1 }, SAME, true, null],
  ["with a bias, other queries than keys", { heads: 2, scale: 1 }, { queries: 3, keys: 8 }, true, null],
  ["with a mask of i64", { heads: 2, scale: 0.7 }, SAME, false, "i64"],
  ["with a mask of bool", { heads: 2, scale: 0.7 }, { queries: 5, keys: 9 }, false, "bool"],
  ["of grouped queries", { heads: 6, scale: 0.5, keyValueHeads: 2 }, SAME, false, null],
  ["of one head of keys", { heads: 4, scale: 0.5, keyValueHeads: 1 }, SAME, false, null],
  ["as Qwen3 has it", { heads: 4, scale: 0.5, causal: true, keyValueHeads: 2 }, SAME, false, "i64"],
  ["whose masked keys lose 1", { heads: 2, scale: 0.7, maskLoss: 1 }, SAME, false, "f32"],
  [
    "whose masked text loses 2.5",
    { heads: 2, scale: 0.7, maskLoss: 2.5 },
    { ...SAME, masked: 5 },
    false,
    "f32",
  ],
  [
    "whose masked keys lose, with a bias",
    { heads: 2, scale: 1, maskLoss: 1 },
    { ...SAME, masked: 4 },
    true,
    "f32",
  ],
  ["of all at once", { heads: 4, scale: 0.5, causal: true, keyValueHeads: 2 }, SAME, true, "f32"],
];

describe.each(CASES)("attention %s", (_, attrs, sizes, withBias, maskOf) => {
  const all = operands(attrs, sizes, withBias, maskOf);
  const expected = attentionByLoops(all, attrs);

  it.each(["f32", "f64"] as const)("in %s", (precision) => {
    const [found] = run("attention", attrs, [...all], 1, precision);
    expect(found?.shape).toEqual(all[0].shape);
    const tolerance = precision === "f32" ? 2e-6 : 1e-12;
    expect(worst(found as Tensor, expected)).toBeLessThan(tolerance);
  });

  it("as text, and in ONNX Runtime", async () => {
    const text = graphText(attrs, all);
    const graph = parseGraph(text);
    verifyGraph(graph);
    expect(printGraph(graph)).toBe(text);
    const folder = mkdtempSync(join(tmpdir(), "tritc-attention-"));
    try {
      const port = (id: string): Port => {
        const { dtype = "f32", shape = null } = graph.types.get(id) ?? {};
        return { name: id, dtype, dims: shape };
      };
      const written = writeGraph(graph, {
        inputs: graph.inputs.map(port),
        outputs: graph.outputs.map(port),
        reader: READER,
        form: "dequantized",
        type: "f32",
      });
      const path = join(folder, "attention.onnx");
      await writeModelFiles(path, { name: "attention", opset: 21, producerVersion: "0", graph: written });
      const inputs = new Map(all.flatMap((t, i) => (t === null ? [] : [[`x${i}`, t] as const])));
      const found = (await runOnnx(path, inputs)).get("y") as Tensor;
      expect(worst(found, expected)).toBeLessThan(5e-6);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** With symbols for what is not a width, as text encoders have them. */
function graphText(attrs: Attrs, all: AttentionOperands): string {
  const [q, k] = all;
  const same = q.shape[1] === k.shape[1];
  const names = ["tokens", same ? "tokens" : "keys"];
  const spread = same ? "2*tokens-1" : "keys+tokens-1";
  const shapes = [
    `f32[batch, ${names[0]}, ${q.shape[2]}]`,
    `f32[batch, ${names[1]}, ${k.shape[2]}]`,
    `f32[batch, ${names[1]}, ${k.shape[2]}]`,
    `f32[${attrs.heads}, ${spread}]`,
    `${all[4]?.dtype}[batch, ${all[4]?.shape[1] === k.shape[1] ? names[1] : "text"}]`,
  ];
  const inputs = all.flatMap((t, i) => (t === null ? [] : [`  input %x${i}: ${shapes[i]}`]));
  const args = all.map((t, i) => (t === null ? "_" : `%x${i}`)).join(", ");
  const written = Object.entries(attrs).map(([name, value]) => `"${name}": ${value}`);
  return [
    'graph "attention" {',
    ...inputs,
    `  %y: ${shapes[0]} = attention(${args}) {${written.join(", ")}}`,
    "  output %y",
    "}",
  ].join("\n");
}

function worst({ data }: Tensor, expected: Float64Array): number {
  expect(data.length).toBe(expected.length);
  return expected.reduce(
    (most, e, i) => Math.max(most, Math.abs(Number(data[i]) - e) / (1 + Math.abs(e))),
    0,
  );
}

describe("attention that does not fit together", () => {
  const [q, k, v] = operands({ heads: 4, scale: 1 }, SAME, false, null);
  const refused = (attrs: Partial<Attrs>, ...rest: (Tensor | null)[]) =>
    expect(() => run("attention", { heads: 4, scale: 1, ...attrs }, [q, k, v, ...rest]));

  it("is refused where it runs", () => {
    refused({ keyValueHeads: 3 }).toThrow(/attention of \[2, 7, 16\]/);
    refused({}, bias(4, 7, 8)).toThrow(/a bias \[4, 14\] for 4 heads, 7 queries and 7 keys/);
    refused({}, null, mask("i64", 2, 6)).toThrow(/a mask \[2, 6\] for 2 times 7 keys/);
    const none = of("i64", [2, 7], [0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]);
    refused({ maskLoss: 1 }, null, mask("f32", 2, 8)).toThrow(/a mask \[2, 8\] for 2 times 7 keys/);
    refused({ causal: true }, null, none).toThrow(/query 0 of attention has no key/);
  });

  it("is refused in a graph", () => {
    const fails = (text: string, message: RegExp) =>
      expect(() => verifyGraph(parseGraph(text))).toThrow(
        expect.objectContaining({ code: "TRITC_E_SHAPE", message: expect.stringMatching(message) }),
      );
    const attrs: Attrs = { heads: 4, scale: 1 };
    const text = graphText(attrs, [q, k, v, bias(4, 7, 7)]);
    fails(text.replace("f32[4, 2*tokens-1]", "f32[3, 2*tokens-1]"), /heads of the bias/);
    fails(text.replace("[4, 2*tokens-1]", "[4]"), /a bias \[heads, queries \+ keys/);
    fails(graphText({ ...attrs, keyValueHeads: 3 }, [q, k, v]), /4 heads in equal groups/);
    fails(graphText({ ...attrs, maskLoss: 1 }, [q, k, v]), /a mask, which says what scores are lessened/);
    const more = operands({ heads: 4, scale: 1 }, { queries: 5, keys: 7 }, false, "f32");
    const unequal = graphText({ ...attrs, maskLoss: 1 }, [...more])
      .replaceAll("tokens", "5")
      .replaceAll("keys", "7");
    fails(unequal, /queries and keys of the same tokens/);
    expect(() => parseGraph(graphText({ ...attrs, causal: 1 as unknown as boolean }, [q, k, v]))).toThrow(
      /attribute causal of attention must be a bool/,
    );
  });

  it("has no gradient", () => {
    const graph = parseGraph(graphText({ heads: 4, scale: 1, causal: true }, [q, k, v]));
    const editor = new GraphEditor(graph);
    const loss = editor.add("reduce", ["y"], { fn: "sum", keepDims: false, noopWithEmptyAxes: false });
    expect(() => differentiate(editor, loss, ["x0"])).toThrow(
      expect.objectContaining({ code: "TRITC_E_GRADIENT" }),
    );
  });
});
