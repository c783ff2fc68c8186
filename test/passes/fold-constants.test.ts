import { describe, expect, it } from "vitest";
import { canonicalize } from "../../compiler/passes/canonicalize.js";
import { foldConstants } from "../../compiler/passes/fold-constants.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import type { Dim } from "../../ir/dim.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { difference, IN_MEMORY, passContext, randomInputs } from "./support.js";

function graphOf(lines: string): Graph {
  return parseGraph(`graph "case" {\n${lines}\n}`);
}

function fold(
  graph: Graph,
  bindings: Readonly<Record<string, Dim>> = {},
  reader: ByteReader = IN_MEMORY,
): Graph {
  return runPasses(graph, [foldConstants], passContext(bindings, reader), {});
}

function ops(graph: Graph): readonly string[] {
  return graph.nodes.map((n) => n.op);
}

/** Same outputs at two bindings. */
function same(before: Graph, after: Graph): void {
  for (const sizes of [
    { n: 5, m: 2 },
    { n: 4, m: 7 },
  ]) {
    expect(difference(before, after, randomInputs(before, sizes, 5))).toBeLessThan(1e-6);
  }
}

const CASES: Readonly<
  Record<string, { readonly graph: string; readonly ops: readonly string[]; readonly has?: string }>
> = {
  "view of Shape, Gather, Unsqueeze, Concat": {
    graph: `
      input %x: f32[n, m, 24]
      const %i0: i64[] = [0]
      const %i1: i64[] = [1]
      const %a0: i64[1] = [0]
      const %rest: i64[2] = [4, 6]
      %s: i64[...] = shape(%x) {"start": 0, "end": null}
      %b: i64[...] = gather(%s, %i0) {"axis": 0}
      %t: i64[...] = gather(%s, %i1) {"axis": 0}
      %p: i64[...] = binary(%b, %t) {"fn": "mul"}
      %q: i64[...] = unsqueeze(%p, %a0)
      %u: i64[...] = concat(%q, %rest) {"axis": 0}
      %y: f32[...] = reshape(%x, %u) {"allowZero": false}
      output %y`,
    ops: ["reshape"],
    has: "dims(m*n, 4, 6)",
  },
  "chunk of Shape, Gather, Add, Div, Mul, Slice": {
    graph: `
      input %x: f32[n, 12]
      const %one: i64[] = [1]
      const %two: i64[] = [2]
      const %axis: i64[1] = [1]
      const %zero: i64[1] = [0]
      %s: i64[...] = shape(%x) {"start": 0, "end": null}
      %c: i64[...] = gather(%s, %one) {"axis": 0}
      %d: i64[...] = binary(%c, %one) {"fn": "add"}
      %h: i64[...] = binary(%d, %two) {"fn": "div"}
      %h1: i64[...] = unsqueeze(%h, %zero)
      %e: i64[...] = binary(%h, %two) {"fn": "mul"}
      %e1: i64[...] = unsqueeze(%e, %zero)
      %l: f32[...] = slice(%x, %zero, %h1, %axis)
      %r: f32[...] = slice(%x, %h1, %e1, %axis)
      %y: f32[...] = binary(%l, %r) {"fn": "sub"}
      output %y`,
    ops: ["slice", "slice", "binary"],
  },
  "expand with Where(Equal(shape, -1), ones, shape)": {
    graph: `
      input %x: f32[1, 3]
      input %z: f32[n, 1]
      const %three: i64[1] = [3]
      const %minus: i64[] = [-1]
      %s: i64[...] = shape(%z) {"start": 0, "end": 1}
      %u: i64[...] = concat(%s, %three) {"axis": 0}
      %r: i64[...] = shape(%u) {"start": 0, "end": null}
      %ones: i64[...] = constant-of-shape(%r) {"value": 1, "dtype": "i64"}
      %minuses: i64[...] = binary(%ones, %minus) {"fn": "mul"}
      %e: bool[...] = binary(%u, %minuses) {"fn": "equal"}
      %w: i64[...] = where(%e, %ones, %u)
      %y: f32[...] = expand(%x, %w)
      output %y`,
    ops: ["expand"],
    has: "dims(n, 3)",
  },
  "attention scale of Shape, Slice, Cast, Sqrt, Div in f64": {
    graph: `
      input %x: f32[n, 64]
      const %a: i64[1] = [-1]
      const %b: i64[1] = [9223372036854775807]
      const %one: f64[] = fill(1)
      %s: i64[...] = shape(%x) {"start": 0, "end": null}
      %t: i64[...] = slice(%s, %a, %b)
      %c: f64[...] = cast(%t) {"to": "f64"}
      %r: f64[...] = unary(%c) {"fn": "sqrt"}
      %d: f64[...] = binary(%one, %r) {"fn": "div"}
      %f: f32[...] = cast(%d) {"to": "f32"}
      %y: f32[...] = binary(%x, %f) {"fn": "mul"}
      output %y`,
    ops: ["binary"],
    has: "f32[1] = [0.125]",
  },
  "comparisons that positive symbols settle": {
    graph: `
      input %x: f32[n, m]
      const %zero: i64[2] = [0, 0]
      %s: i64[...] = shape(%x) {"start": 0, "end": null}
      %g: bool[...] = binary(%s, %zero) {"fn": "greater"}
      %l: bool[...] = binary(%s, %zero) {"fn": "less-equal"}
      %p: i64[...] = binary(%s, %s) {"fn": "add"}
      %d: i64[...] = binary(%p, %s) {"fn": "div"}
      %q: i64[...] = binary(%d, %s) {"fn": "mul"}
      %r: i64[...] = binary(%q, %p) {"fn": "max"}
      %w: i64[...] = where(%g, %r, %zero)
      %v: i64[...] = where(%l, %zero, %w)
      %c: f32[...] = constant-of-shape(%v) {"value": 2.5, "dtype": "f32"}
      %m: i64[...] = size(%c)
      %k: f32[...] = cast(%m) {"to": "f32"}
      %y: f32[...] = binary(%c, %k) {"fn": "add"}
      output %y`,
    ops: ["expand", "binary"],
    has: "dims(2*n, 2*m)",
  },
  "repeat_interleave with a boolean mask, NonZero and GatherND": {
    graph: `
      input %x: f32[4, n]
      const %mask: bool[4] = hex(01000101)
      %i: i64[...] = nonzero(%mask)
      %t: i64[...] = transpose(%i) {"perm": [1, 0]}
      %y: f32[...] = gather-nd(%x, %t) {"batchDims": 0}
      output %y`,
    ops: ["gather-nd"],
    has: "f32[3, n]",
  },
  "repeat_interleave as a Loop over SplitToSequence": {
    graph: `
      input %x: f32[3, n]
      const %trips: i64[] = [3]
      const %ones: i64[3] = [2, 2, 2]
      const %true: bool[] = hex(01)
      %seq: sequence f32[...] = split-to-sequence(%x, _) {"axis": 0, "keepDims": true}
      %empty: sequence f32[...] = sequence-construct() {"dtype": "f32"}
      %out: sequence f32[...] = loop(%trips, %true, %empty) {"body": graph "body" {
        input %iter: i64[]
        input %cond: bool[]
        input %acc: sequence f32[...]
        const %two: i64[2] = [2, 1]
        %item: f32[...] = sequence-at(%seq, %iter)
        %twice: f32[...] = tile(%item, %two)
        %next: sequence f32[...] = sequence-insert(%acc, %twice)
        %again: bool[] = cast(%cond) {"to": "bool"}
        output %again, %next
      }}
      %y: f32[...] = concat-from-sequence(%out) {"axis": 0, "newAxis": false}
      output %y`,
    ops: ["split", "tile", "tile", "tile", "concat"],
    has: "f32[6, n]",
  },
  "a loop with a scanned output and a condition that ends it": {
    graph: `
      input %x: f32[n, 2]
      const %trips: i64[] = [9]
      %last: f32[...], %all: f32[...] = loop(%trips, _, %x) {"body": graph "body" {
        input %i: i64[]
        input %c: bool[]
        input %v: f32[n, 2]
        const %three: i64[] = [2]
        %step: f32[] = cast(%i) {"to": "f32"}
        %w: f32[...] = binary(%v, %step) {"fn": "add"}
        %more: bool[] = binary(%i, %three) {"fn": "less"}
        output %more, %w, %w
      }}
      %y: f32[...] = binary(%all, %last) {"fn": "mul"}
      output %y`,
    ops: ["binary", "binary", "binary", "unsqueeze", "unsqueeze", "unsqueeze", "concat", "binary"],
    has: "f32[3, n, 2]",
  },
  "a branch on the rank": {
    graph: `
      input %x: f32[n, 1, 3]
      const %want: i64[] = [1]
      const %at: i64[] = [1]
      %s: i64[...] = shape(%x) {"start": 0, "end": null}
      %d: i64[...] = gather(%s, %at) {"axis": 0}
      %c: bool[...] = binary(%d, %want) {"fn": "equal"}
      %y: f32[...] = if(%c) {"thenBranch": graph "then" {
        const %a: i64[1] = [1]
        %t: f32[...] = squeeze(%x, %a)
        output %t
      }, "elseBranch": graph "else" {
        %e: f32[...] = unary(%x) {"fn": "neg"}
        output %e
      }}
      output %y`,
    ops: ["squeeze"],
    has: "f32[n, 3]",
  },
  "a table of dimensions, used as numbers": {
    graph: `
      input %x: f32[n, m]
      const %two: i64[2] = [2, 2]
      const %turn: i64[2, 2] = [0, 1, 1, 0]
      %s: i64[...] = shape(%x) {"start": 0, "end": null}
      %t: i64[...] = binary(%s, %two) {"fn": "mul"}
      %g: i64[...] = gather(%t, %turn) {"axis": 0}
      %f: f32[...] = cast(%g) {"to": "f32"}
      %sum: f32[...] = reduce(%x) {"fn": "sum", "keepDims": false, "noopWithEmptyAxes": false}
      %y: f32[...] = binary(%sum, %f) {"fn": "add"}
      output %y`,
    ops: ["reduce", "binary"],
    has: "cast(i64[2, 2] reshape(i64[4] dims(2*n, 2*m, 2*m, 2*n)))",
  },
  "frequencies computed in f64": {
    graph: `
      input %ids: f32[n, 1]
      const %from: i64[] = [0]
      const %to: i64[] = [8]
      const %by: i64[] = [2]
      const %width: f64[] = fill(8)
      const %theta: f64[] = fill(10000)
      %r: i64[...] = range(%from, %to, %by)
      %c: f64[...] = cast(%r) {"to": "f64"}
      %e: f64[...] = binary(%c, %width) {"fn": "div"}
      %p: f64[...] = binary(%theta, %e) {"fn": "pow"}
      %f: f64[...] = unary(%p) {"fn": "reciprocal"}
      %wide: f64[...] = cast(%ids) {"to": "f64"}
      %a: f64[...] = binary(%wide, %f) {"fn": "mul"}
      %cos: f64[...] = unary(%a) {"fn": "cos"}
      %y: f32[...] = cast(%cos) {"to": "f32"}
      output %y`,
    ops: ["binary", "unary"],
  },
};

describe("fold-constants", () => {
  it.each(Object.keys(CASES))("folds %s", (name) => {
    const example = CASES[name];
    if (example === undefined) throw new Error(name);
    const before = graphOf(example.graph);
    const after = fold(before);
    expect(
      ops(after).filter((op) => (op !== "cast" && op !== "squeeze") || example.ops.includes(op)),
    ).toEqual(example.ops);
    if (example.has !== undefined) expect(printGraph(after)).toContain(example.has);
    expect([...after.types].filter(([, t]) => t.shape === null || t.dtype === "f64")).toEqual([]);
    same(before, after);
    same(before, runPasses(after, [canonicalize, foldConstants], passContext(), {}));
  });

  it("binds symbols of the inputs", () => {
    const graph = graphOf(`input %x: f16[batch, n, 4]
      %y: f16[...] = unary(%x) {"fn": "exp"}
      output %y`);
    const after = fold(graph, { batch: 1, n: "img_tokens" });
    expect(after.types.get("x")).toEqual({ dtype: "f32", shape: [1, "img_tokens", 4] });
    expect(after.types.get("y")).toEqual({ dtype: "f32", shape: [1, "img_tokens", 4] });
  });

  it("makes one symbol of two that have to be equal", () => {
    const graph = graphOf(`input %x: f32[n, 4]
      input %z: f32[rows, 4]
      input %w: f32[total, 4]
      %a: f32[...] = binary(%x, %z) {"fn": "add"}
      %b: f32[...] = concat(%a, %x) {"axis": 0}
      %y: f32[...] = binary(%b, %w) {"fn": "mul"}
      output %y`);
    const log: string[] = [];
    const after = foldConstants.run(graph, { ...passContext(), log: (line) => log.push(line) });
    expect(after.types.get("z")?.shape).toEqual(["n", 4]);
    expect(after.types.get("w")?.shape).toEqual(["2*n", 4]);
    expect(log).toEqual([
      "fold-constants: the graph needs rows = n",
      "fold-constants: the graph needs total = 2*n",
    ]);
  });

  it("reads no weight: reshapes, transposes, casts and parts of weights stay recipes", () => {
    const reads: number[] = [];
    const reader = {
      read(_: string, offset: number, length: number) {
        reads.push(length);
        return Uint8Array.from({ length }, (__, i) => ((offset + i) * 37) & 0x3b);
      },
    };
    const graph = graphOf(`input %x: f32[n, 64]
      const %w: f16[128, 96] = file("weights.bin", 16, 24576)
      const %bias: f16[96] = file("weights.bin", 0, 192)
      const %a: i64[1] = [64]
      const %b: i64[1] = [128]
      const %s: i64[2] = [64, -1]
      %p: f16[...] = slice(%w, %a, %b)
      %t: f16[...] = transpose(%p) {"perm": [1, 0]}
      %u: f16[...] = transpose(%t) {"perm": [1, 0]}
      %c: f32[...] = cast(%u) {"to": "f32"}
      %r: f32[...] = reshape(%c, %s) {"allowZero": false}
      %m: f32[...] = matmul(%x, %r)
      %q: f32[...] = cast(%bias) {"to": "f32"}
      %y: f32[...] = binary(%m, %q) {"fn": "add"}
      output %y`);
    const after = fold(graph, {}, reader);
    expect(reads).toEqual([192]);
    expect(ops(after)).toEqual(["matmul", "binary"]);
    expect(printGraph(after)).toContain(
      'f32[64, 96] = cast(f16[64, 96] rows(f16[128, 96] file("weights.bin", 16, 24576), 64))',
    );
    expect(difference(graph, after, randomInputs(graph, { n: 3 }), reader)).toBeLessThan(1e-6);
  });

  it("says which node does not fit", () => {
    const graph = graphOf(`input %x: f32[n, 4]
      input %w: f32[5, 6]
      %y: f32[...] = matmul(%x, %w)
      output %y`);
    expect(() => fold(graph)).toThrow(
      /%y = matmul\(%x, %w\)[\s\S]*expected: equal dimensions[\s\S]*found: +4 and 5/,
    );
  });

  it("keeps what depends on data", () => {
    const graph = graphOf(`input %x: f32[n]
      input %k: i64[]
      const %zero: i64[] = [0]
      const %one: i64[] = [1]
      %r: i64[...] = range(%zero, %k, %one)
      %f: f32[...] = cast(%r) {"to": "f32"}
      %y: f32[...] = reduce(%f) {"fn": "sum", "keepDims": false, "noopWithEmptyAxes": false}
      output %y`);
    const after = fold(graph);
    expect(ops(after)).toEqual(["range", "cast", "reduce"]);
    expect(after.types.get("r")?.shape).toBeNull();
  });
});
