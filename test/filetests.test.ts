/**
 * Filetests: `test/filetests/<pass>/*.ir` hold a graph, the pass to run on it, and what to look for.
 *
 *   // pass: fuse-adaln              the folder's pass unless given; several, comma-separated, run in order
 *   // bind: batch = 1               symbol bindings of fold-constants
 *   // size: img_tokens = 5          sizes for the numeric check (default 5, 7, 9, … in order)
 *   // check: %y: f32[…] = adaln(    must occur in the output, in this order
 *   // not: layer-norm(              must not occur
 *   // tolerance: 1e-6               of the numeric check; `off` where the pass changes values by design
 *
 * Besides the text, the interpreter must give the same outputs before and after on random inputs.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PassContext } from "../compiler/pass.js";
import { UNLIMITED } from "../compiler/pass.js";
import { passNamed } from "../compiler/passes/index.js";
import { runPasses } from "../compiler/passes/run-passes.js";
import { evaluateDim, symbolsOf } from "../ir/dim.js";
import { type Graph, shapeOf } from "../ir/graph/graph.js";
import { parseGraph } from "../ir/graph/parse.js";
import { printGraph } from "../ir/graph/print.js";
import { interpret } from "../ir/interpret/index.js";
import { countOf, type Tensor } from "../ir/tensor.js";
import { makeNoise } from "../runtime/noise.js";

const folder = join(import.meta.dirname, "filetests");
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".ir"));

const reader = {
  read(file: string): Uint8Array {
    throw new Error(`filetests hold their constants inline, but one asks for ${file}`);
  },
};

/** `// key: value` lines in order. */
function directives(text: string): (readonly [string, string])[] {
  return [...text.matchAll(/^\s*\/\/ ([a-z]+): (.*)$/gm)].map((m) => [m[1] ?? "", (m[2] ?? "").trim()]);
}

function assignments(lines: readonly (readonly [string, string])[], key: string): Record<string, number> {
  const pairs = lines.filter(([k]) => k === key).map(([, v]) => v.split("=").map((part) => part.trim()));
  return Object.fromEntries(pairs.map(([name, value]) => [name ?? "", Number(value)]));
}

function sizesOf(graph: Graph, given: Readonly<Record<string, number>>): Record<string, number> {
  const names = new Set(graph.inputs.flatMap((id) => shapeOf(graph, id).flatMap((dim) => symbolsOf(dim))));
  return Object.fromEntries([...names].map((name, i) => [name, given[name] ?? 5 + 2 * i]));
}

function randomInput(graph: Graph, id: string, sizes: Record<string, number>, seed: number): Tensor {
  const shape = shapeOf(graph, id).map((dim) => evaluateDim(dim, sizes));
  const noise = makeNoise(seed, countOf(shape));
  const dtype = graph.types.get(id)?.dtype ?? "f32";
  if (dtype === "f32") return { dtype, shape, data: noise };
  if (dtype === "i64")
    return { dtype, shape, data: BigInt64Array.from(noise, (v) => BigInt(Math.round(4 * v))) };
  throw new Error(`filetests have f32 and i64 inputs, not ${dtype}`);
}

describe.each(files)("%s", (file) => {
  const text = readFileSync(join(folder, file), "utf8");
  const lines = directives(text);
  const value = (key: string) => lines.find(([k]) => k === key)?.[1];
  const before = parseGraph(text, file);
  const bindings = assignments(lines, "bind");
  const context: PassContext = {
    reader,
    options: {
      ternarize: "exact",
      activations: "int8",
      bindings,
      sizes: {},
      limits: UNLIMITED,
      fuseHeads: true,
    },
  };
  const names = (value("pass") ?? dirname(file)).split(",").map((name) => name.trim());
  const after = runPasses(before, names.map(passNamed), context);

  it("has the expected text", () => {
    const output = printGraph(after);
    let from = 0;
    for (const [key, wanted] of lines) {
      if (key === "check") {
        const at = output.indexOf(wanted, from);
        expect(
          at,
          `${wanted}\nnot found, after what was checked before, in\n${output}`,
        ).toBeGreaterThanOrEqual(0);
        from = at + wanted.length;
      } else if (key === "not") expect(output).not.toContain(wanted);
    }
    expect(
      lines.some(([key]) => key === "check"),
      "a filetest without a check",
    ).toBe(true);
  });

  it("means the same", () => {
    const tolerance = value("tolerance") ?? "1e-6";
    const sizes = { ...sizesOf(before, assignments(lines, "size")), ...bindings };
    const inputs = new Map(before.inputs.map((id, i) => [id, randomInput(before, id, sizes, i + 1)]));
    const expected = interpret(before, inputs, { reader });
    const found = interpret(after, inputs, { reader });
    if (tolerance === "off") return;
    for (const [i, id] of before.outputs.entries()) {
      const want = expected.get(id)?.data ?? [];
      const got = found.get(after.outputs[i] ?? "")?.data ?? [];
      expect(got.length).toBe(want.length);
      for (let j = 0; j < want.length; j++) {
        const difference = Math.abs(Number(got[j]) - Number(want[j]));
        expect(difference, `${id}[${j}]: ${got[j]} instead of ${want[j]}`).toBeLessThanOrEqual(
          Number(tolerance) * Math.max(1, Math.abs(Number(want[j]))),
        );
      }
    }
  });
});
