import { describe, expect, it } from "vitest";
import { canonicalize, canonicalRules } from "../../compiler/passes/canonicalize.js";
import { foldConstants } from "../../compiler/passes/fold-constants.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { RULE_CASES } from "./rule-cases.js";
import { difference, IN_MEMORY, passContext, randomInputs } from "./support.js";

describe("canonicalize", () => {
  it.each(RULE_CASES.map((c, i) => [c.rule, i] as const))("%s (case %i)", (_, i) => {
    const example = RULE_CASES[i];
    if (example === undefined) throw new Error("no such case");
    const before = parseGraph(`graph "case" {\n${example.graph.join("\n")}\n}`);
    const log: string[] = [];
    const context = { ...passContext(), log: (line: string) => log.push(line) };
    const after = runPasses(before, [foldConstants, canonicalize], context, {});
    const text = printGraph(after);
    let from = 0;
    for (const wanted of example.has ?? []) {
      expect(text.slice(from)).toContain(wanted);
      from = text.indexOf(wanted, from);
    }
    for (const unwanted of example.not ?? []) expect(text).not.toContain(unwanted);
    expect(log.map((line) => line.split(" ")[1])).toContain(example.rule);
    for (const sizes of [
      { n: 5, m: 2 },
      { n: 1, m: 7 },
    ]) {
      expect(difference(before, after, randomInputs(before, sizes, 11))).toBeLessThan(1e-6);
    }
    expect(printGraph(canonicalize.run(after, context))).toBe(text);
  });

  it("tests every rule", () => {
    const tested = new Set(RULE_CASES.map((c) => c.rule));
    expect(
      canonicalRules(IN_MEMORY)
        .map((r) => r.name)
        .filter((name) => !tested.has(name)),
    ).toEqual([]);
  });

  it("merges equal nodes and equal constants, also behind other merges", () => {
    const graph = parseGraph(`graph "duplicates" {
      input %x: f32[n, 4]
      const %a: f32[] = fill(3)
      const %b: f32[] = fill(3)
      %p: f32[n, 4] = binary(%x, %a) {"fn": "mul"}
      %q: f32[n, 4] = binary(%b, %x) {"fn": "mul"}
      %r: f32[n, 4] = unary(%p) {"fn": "exp"}
      %s: f32[n, 4] = unary(%q) {"fn": "exp"}
      %y: f32[n, 4] = binary(%r, %s) {"fn": "add"}
      output %y
    }`);
    const after = canonicalize.run(graph, passContext());
    expect(after.nodes.map((n) => n.op)).toEqual(["binary", "unary", "binary"]);
    expect(difference(graph, after, randomInputs(graph, { n: 3 }))).toBe(0);
  });

  it("keeps the names of outputs that become equal or equal to an input", () => {
    const graph = parseGraph(`graph "outputs" {
      input %x: f32[n, 4]
      %p: f32[n, 4] = unary(%x) {"fn": "exp"}
      %q: f32[n, 4] = unary(%x) {"fn": "exp"}
      %r: f32[n, 4] = transpose(%x) {"perm": [0, 1]}
      output %q, %p, %r
    }`);
    const after = canonicalize.run(graph, passContext());
    expect(after.outputs).toEqual(["q", "p", "r"]);
    expect(difference(graph, after, randomInputs(graph, { n: 3 }))).toBe(0);
  });
});
