/** A small graph that one rule of `canonicalize` rewrites. Symbols: n, m. */
export interface RuleCase {
  readonly rule: string;
  /** Lines of the graph's text. */
  readonly graph: readonly string[];
  /** Must occur in the result, in this order. */
  readonly has?: readonly string[];
  /** Must not occur in the result. */
  readonly not?: readonly string[];
}

const X = "input %x: f32[n, 3, 4]";
const unary = (fn: string, x: string, y = "%y") => `${y}: f32[...] = unary(${x}) {"fn": "${fn}"}`;
const binary = (fn: string, a: string, b: string, y = "%y") =>
  `${y}: f32[...] = binary(${a}, ${b}) {"fn": "${fn}"}`;
const scalar = (value: number) => `const %c: f32[] = fill(${value})`;
const ints = (name: string, ...values: number[]) =>
  `const ${name}: i64[${values.length}] = [${values.join(", ")}]`;
const reshape = (x: string, s: string, y: string) =>
  `${y}: f32[...] = reshape(${x}, ${s}) {"allowZero": false}`;
const OUT = "output %y";

export const RULE_CASES: readonly RuleCase[] = [
  {
    rule: "squeeze-to-reshape",
    graph: [X, ints("%a", 1, -1), "%u: f32[...] = unsqueeze(%x, %a)", unary("neg", "%u"), OUT],
    has: ["dims(n, 1, 3, 4, 1)", "reshape("],
    not: ["unsqueeze"],
  },
  {
    rule: "squeeze-to-reshape",
    graph: ["input %x: f32[n, 1, 4]", '%f: f32[...] = flatten(%x) {"axis": 1}', unary("neg", "%f"), OUT],
    not: ["flatten"],
  },
  {
    rule: "drop-reshape",
    graph: [X, ints("%s", 0, 0, -1), reshape("%x", "%s", "%r"), unary("neg", "%r"), OUT],
    not: ["reshape("],
  },
  {
    rule: "merge-reshapes",
    graph: [
      X,
      ints("%s", -1),
      ints("%t", -1, 2, 6),
      reshape("%x", "%s", "%r"),
      reshape("%r", "%t", "%q"),
      unary("neg", "%q"),
      OUT,
    ],
    has: ["reshape(%x"],
    not: ["f32[12*n]"],
  },
  {
    rule: "explicit-shape",
    graph: [X, ints("%s", 0, -1), reshape("%x", "%s", "%y"), OUT],
    has: ["dims(n, 12)"],
  },
  {
    rule: "explicit-permutation",
    graph: [X, '%y: f32[...] = transpose(%x) {"perm": null}', OUT],
    has: ['"perm": [2,1,0]'],
  },
  {
    rule: "drop-transpose",
    graph: [X, '%t: f32[...] = transpose(%x) {"perm": [0, 1, 2]}', unary("neg", "%t"), OUT],
    not: ["transpose"],
  },
  {
    rule: "merge-transposes",
    graph: [
      X,
      '%t: f32[...] = transpose(%x) {"perm": [1, 2, 0]}',
      '%y: f32[...] = transpose(%t) {"perm": [0, 2, 1]}',
      OUT,
    ],
    has: ['transpose(%x) {"perm": [1,0,2]}'],
  },
  {
    rule: "gather-to-part",
    graph: [X, "const %i: i64[] = [-2]", '%y: f32[...] = gather(%x, %i) {"axis": 1}', OUT],
    has: ['part(%x) {"axis": 1, "start": 1, "length": 1}', "reshape("],
    not: ["gather"],
  },
  {
    rule: "gather-to-part",
    graph: [X, ints("%i", 1, 2, 3), '%y: f32[...] = gather(%x, %i) {"axis": -1}', OUT],
    has: ['"start": 1, "length": 3'],
    not: ["gather"],
  },
  {
    rule: "gather-nd-to-gather",
    graph: [X, "const %i: i64[3, 1] = [0, 0, 0]", '%y: f32[...] = gather-nd(%x, %i) {"batchDims": 0}', OUT],
    has: ["gather(%x"],
  },
  {
    rule: "flat-gather-nd",
    graph: [
      X,
      '%t: f32[...] = transpose(%x) {"perm": [1, 2, 0]}',
      "const %i: i64[2, 2, 2] = [0, 0, 2, 3, -1, -2, 1, 2]",
      '%y: f32[...] = gather-nd(%t, %i) {"batchDims": 0}',
      OUT,
    ],
    has: ["reshape(%t", "gather("],
    not: ["gather-nd"],
  },
  {
    rule: "slice-to-parts",
    graph: [
      X,
      ints("%a", 1, 0),
      ints("%b", 9223372036854775000, -1),
      ints("%c", -1, 1),
      "%y: f32[...] = slice(%x, %a, %b, %c)",
      OUT,
    ],
    has: ['"axis": 2, "start": 1, "length": 3', '"axis": 1, "start": 0, "length": 2'],
    not: ["slice("],
  },
  {
    rule: "slice-to-parts",
    graph: [
      X,
      ints("%a", 1, 0),
      ints("%b", 3, 4),
      ints("%c", 1, 2),
      ints("%d", 1, 2),
      "%y: f32[...] = slice(%x, %a, %b, %c, %d)",
      OUT,
    ],
    has: ['part(%x) {"axis": 1, "start": 1, "length": 2}', "slice("],
  },
  {
    rule: "explicit-slice",
    graph: [
      X,
      ints("%a", 1),
      ints("%b", 4),
      ints("%c", -1),
      ints("%d", 2),
      "%y: f32[...] = slice(%x, %a, %b, %c, %d)",
      OUT,
    ],
    has: ["i64[1] = [2]", "slice(%x"],
  },
  {
    rule: "split-to-parts",
    graph: [
      X,
      ints("%s", 1, 3),
      '%p: f32[...], %q: f32[...] = split(%x, %s) {"axis": -1}',
      '%r: f32[...] = concat(%q, %p) {"axis": 2}',
      unary("neg", "%r"),
      OUT,
    ],
    has: ['"axis": 2, "start": 0, "length": 1', '"axis": 2, "start": 1, "length": 3'],
    not: ["split("],
  },
  {
    rule: "drop-part",
    graph: [X, '%p: f32[n, 3, 4] = part(%x) {"axis": 1, "start": 0, "length": 3}', unary("neg", "%p"), OUT],
    not: ["part("],
  },
  {
    rule: "merge-parts",
    graph: [
      X,
      '%p: f32[n, 3, 3] = part(%x) {"axis": 2, "start": 1, "length": 3}',
      '%y: f32[n, 3, 1] = part(%p) {"axis": 2, "start": 1, "length": 1}',
      OUT,
    ],
    has: ['part(%x) {"axis": 2, "start": 2, "length": 1}'],
  },
  {
    rule: "part-of-rows",
    graph: [
      "input %x: f32[1, 5, 3]",
      ints("%s", 1, 6),
      '%p: f32[1, 2, 3] = part(%x) {"axis": 1, "start": 2, "length": 2}',
      '%y: f32[1, 6] = reshape(%p, %s) {"allowZero": false}',
      OUT,
    ],
    has: ["f32[1, 15] = reshape(%x", '{"axis": 1, "start": 6, "length": 6}'],
  },
  {
    rule: "part-of-concat",
    graph: [
      X,
      "input %z: f32[m, 3, 4]",
      unary("neg", "%z", "%w"),
      '%j: f32[...] = concat(%x, %w) {"axis": 0}',
      '%y: f32[m, 3, 4] = part(%j) {"axis": 0, "start": "n", "length": "m"}',
      OUT,
    ],
    not: ["concat", "part("],
  },
  {
    rule: "low-rank-update",
    graph: [
      X,
      "const %w: f32[4, 2] = [1, 2, 3, 4, 5, 6, 7, 8]",
      "const %b: f32[2] = [1, 2]",
      "const %a: f32[4, 1] = [1, 3, 2, -1]",
      "const %u: f32[1, 2] = [2, 5]",
      scalar(0.5),
      "%p: f32[n, 3, 2] = matmul(%x, %w)",
      binary("add", "%p", "%b", "%q"),
      "%d: f32[n, 3, 1] = matmul(%x, %a)",
      "%e: f32[n, 3, 2] = matmul(%d, %u)",
      binary("mul", "%e", "%c", "%s"),
      binary("add", "%q", "%s"),
      OUT,
    ],
    has: ["low-rank(", "matmul(%x, "],
    not: ["matmul(%d", '"mul"'],
  },
  {
    rule: "part-of-product",
    graph: [
      X,
      "const %w: f32[4, 3] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]",
      "const %b: f32[2] = [1, 2]",
      scalar(1),
      "%p: f32[n, 3, 3] = matmul(%x, %w)",
      '%q: f32[n, 3, 2] = part(%p) {"axis": 2, "start": 1, "length": 2}',
      '%y: f32[n, 3, 2] = binary(%q, %b) {"fn": "add"}',
      // A modulation's scale, which stays part of its product.
      '%m: f32[n, 3, 1] = part(%p) {"axis": 2, "start": 0, "length": 1}',
      '%z: f32[n, 3, 1] = binary(%m, %c) {"fn": "add"}',
      "output %y, %z",
    ],
    has: ["[2, 3, 5, 6, 8, 9, 11, 12]", "f32[n, 3, 2] = matmul(%x, ", "part("],
    not: ["f32[n, 3, 1] = matmul("],
  },
  {
    rule: "drop-expand",
    graph: [X, ints("%s", 3, 1), "%e: f32[...] = expand(%x, %s)", unary("neg", "%e"), OUT],
    not: ["expand"],
  },
  {
    rule: "expand-scalar",
    // fold-constants does not compute as many elements as this.
    graph: [
      "const %c: f32[1] = [5]",
      ints("%s", 1048577),
      "%e: f32[...] = expand(%c, %s)",
      "input %x: f32[1048577]",
      binary("mul", "%x", "%e"),
      OUT,
    ],
    has: ["fill(5)"],
    not: ["expand"],
  },
  {
    rule: "merge-expands",
    graph: [
      "input %x: f32[n, 1, 1]",
      ints("%s", 3, 1),
      ints("%t", 3, 4),
      "%e: f32[...] = expand(%x, %s)",
      "%f: f32[...] = expand(%e, %t)",
      unary("neg", "%f"),
      OUT,
    ],
    has: ["expand(%x"],
    not: ["f32[n, 3, 1]"],
  },
  {
    rule: "explicit-expand",
    graph: ["input %x: f32[n, 1]", ints("%s", 1, 4), "%y: f32[...] = expand(%x, %s)", OUT],
    has: ["dims(n, 4)"],
  },
  {
    rule: "tile-to-expand",
    graph: ["input %x: f32[n, 1]", ints("%s", 1, 4), "%y: f32[...] = tile(%x, %s)", OUT],
    has: ["expand(%x"],
    not: ["tile"],
  },
  {
    rule: "drop-operand-expand",
    graph: [
      X,
      "input %v: f32[1, 4]",
      ints("%s", 3, 4),
      "%e: f32[...] = expand(%v, %s)",
      binary("mul", "%x", "%e"),
      OUT,
    ],
    has: ["binary(%x, %v)"],
  },
  {
    rule: "constant-where",
    graph: [
      X,
      "const %b: bool[3, 1] = hex(010101)",
      "input %z: f32[4]",
      "%w: f32[...] = where(%b, %x, %z)",
      unary("neg", "%w"),
      OUT,
    ],
    not: ["where"],
  },
  {
    rule: "drop-concat",
    graph: [X, '%j: f32[...] = concat(%x) {"axis": 0}', unary("neg", "%j"), OUT],
    not: ["concat"],
  },
  {
    rule: "flatten-concat",
    graph: [
      X,
      unary("neg", "%x", "%a"),
      '%j: f32[...] = concat(%x, %a) {"axis": -1}',
      '%y: f32[...] = concat(%j, %x) {"axis": -1}',
      OUT,
    ],
    has: ["concat(%x, %a, %x)"],
  },
  {
    rule: "drop-affine",
    graph: [
      X,
      "const %w: f32[4] = fill(1)",
      "const %b: f32[4] = fill(0)",
      '%y: f32[...] = layer-norm(%x, %w, %b) {"axis": -1, "epsilon": 0.001}',
      OUT,
    ],
    has: ["layer-norm(%x)"],
  },
  { rule: "constant-second", graph: [X, scalar(3), binary("mul", "%c", "%x"), OUT], has: ["binary(%x, %c)"] },
  {
    rule: "drop-neutral",
    graph: [X, scalar(1), binary("div", "%x", "%c", "%a"), unary("exp", "%a"), OUT],
    not: ["div"],
  },
  {
    rule: "drop-half-guard",
    graph: [X, scalar(-65504), binary("max", "%x", "%c", "%a"), unary("exp", "%a"), OUT],
    not: ["max"],
  },
  { rule: "square", graph: [X, scalar(2), binary("pow", "%x", "%c"), OUT], has: ["binary(%x, %x)"] },
  {
    rule: "square-root",
    graph: [X, scalar(0.5), unary("abs", "%x", "%a"), binary("pow", "%a", "%c"), OUT],
    has: ['{"fn": "sqrt"}'],
    not: ["pow"],
  },
  {
    rule: "reciprocal-square-root",
    graph: [X, scalar(-0.5), unary("abs", "%x", "%a"), binary("pow", "%a", "%c"), OUT],
    has: ["sqrt", "reciprocal"],
    not: ["pow"],
  },
  {
    rule: "reciprocal-power",
    graph: [X, scalar(-1), binary("pow", "%x", "%c"), OUT],
    has: ["reciprocal"],
    not: ["pow"],
  },
  {
    rule: "reciprocal",
    graph: [X, scalar(1), binary("div", "%c", "%x"), OUT],
    has: ["reciprocal"],
    not: ["div"],
  },
  {
    rule: "double-negation",
    graph: [X, unary("neg", "%x", "%a"), unary("neg", "%a", "%b"), unary("exp", "%b"), OUT],
    not: ["neg"],
  },
  {
    rule: "drop-nan-guard",
    graph: [
      X,
      "input %k: f32[n, 4, 3]",
      "%s: f32[...] = matmul(%x, %k)",
      scalar(0.5),
      binary("mul", "%s", "%c", "%t"),
      '%p: f32[...] = softmax(%t) {"axis": -1, "log": false}',
      '%i: bool[...] = unary(%p) {"fn": "is-nan"}',
      "const %z: f32[] = fill(0)",
      "%g: f32[...] = where(%i, %z, %p)",
      unary("exp", "%g"),
      OUT,
    ],
    not: ["where", "is-nan"],
  },
  {
    rule: "drop-cast",
    // fold-constants leaves a cast where an output is an input; canonicalize drops what is not needed for that.
    graph: [
      "input %i: i64[n]",
      '%a: i64[n] = cast(%i) {"to": "i64"}',
      '%b: f32[n] = cast(%a) {"to": "f32"}',
      "output %b, %a",
    ],
    has: ["cast(%i)"],
  },
  {
    rule: "gemm-to-linear",
    graph: [
      "input %x: f32[n, 3]",
      "const %w: f32[3, 2] = [1, -2, 3, 4, -5, 6]",
      "const %b: f32[1, 2] = [7, 8]",
      '%y: f32[...] = gemm(%x, %w, %b) {"alpha": 1, "beta": 1, "transA": false, "transB": false}',
      OUT,
    ],
    has: ["f32[2, 3] = [1, 3, -5, -2, 4, 6]", "linear("],
    not: ["gemm"],
  },
  {
    rule: "gemm-to-matmul",
    graph: [
      "input %x: f32[3, n]",
      "input %w: f32[2, 3]",
      "input %b: f32[2]",
      '%y: f32[...] = gemm(%x, %w, %b) {"alpha": 0.5, "beta": 2, "transA": true, "transB": true}',
      OUT,
    ],
    has: ["matmul"],
    not: ["gemm"],
  },
  {
    rule: "softmax-flat",
    graph: [X, '%y: f32[...] = softmax-flat(%x) {"axis": 1, "log": false}', OUT],
    has: ["f32[n, 12] = softmax"],
    not: ["softmax-flat"],
  },
  {
    rule: "einsum-to-matmul",
    graph: [
      "input %a: f32[n]",
      "input %b: f32[m]",
      '%y: f32[...] = einsum(%a, %b) {"equation": "i,j->ij"}',
      OUT,
    ],
    has: ["f32[n, 1] = reshape(%a", "f32[1, m] = reshape(%b", '{"fn": "mul"}'],
    not: ["einsum"],
  },
  {
    rule: "einsum-to-matmul",
    graph: [
      "input %a: f32[2, n, 3, 4]",
      "input %b: f32[2, m, 3, 4]",
      '%y: f32[...] = einsum(%a, %b) {"equation": "bqhd,bkhd->bhqk"}',
      OUT,
    ],
    has: ["matmul"],
    not: ["einsum"],
  },
  {
    rule: "einsum-to-matmul",
    graph: [
      "input %a: f32[2, n, 3]",
      "input %b: f32[2, m, 3]",
      '%y: f32[...] = einsum(%a, %b) {"equation": "...ik,...jk->...ij"}',
      OUT,
    ],
    has: ["matmul"],
  },
  {
    rule: "einsum-to-matmul",
    graph: ["input %a: f32[2, n, 3]", '%y: f32[...] = einsum(%a) {"equation": "bik->kb"}', OUT],
    has: ["reduce", "transpose"],
  },
  {
    rule: "explicit-axis",
    graph: [X, '%y: f32[...] = softmax(%x) {"axis": -2, "log": false}', OUT],
    has: ['"axis": 1'],
  },
  {
    rule: "explicit-reduction",
    graph: [
      X,
      ints("%a", -1, 1),
      '%y: f32[...] = reduce(%x, %a) {"fn": "mean", "keepDims": true, "noopWithEmptyAxes": false}',
      OUT,
    ],
    has: ["i64[2] = [1, 2]"],
  },
  {
    rule: "fold-constant",
    graph: [
      "input %x: f32[n, 3]",
      "const %w: f32[3, 2] = [1, -2, 3, 4, -5, 6]",
      '%y: f32[...] = gemm(%x, %w) {"alpha": 1, "beta": 1, "transA": false, "transB": false}',
      OUT,
    ],
    has: ["linear(%x"],
    not: ["= transpose("],
  },
];
