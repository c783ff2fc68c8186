import type { ValueId } from "../../../ir/graph/graph.js";
import { typed } from "../builder.js";
import { f32Constant, inlineScalar, reshapeConstant } from "../constants.js";
import type { Operation } from "../operation.js";

export function Constant(n: Operation) {
  const tensor = n.tensor("value");
  if (tensor !== null) return n.resultConstant(tensor);
  if (n.has("value_float")) {
    return n.resultConstant(reshapeConstant(f32Constant([n.float("value_float")]), []));
  }
  if (n.has("value_int")) return n.forward(0, n.i64Scalar(n.int("value_int")));
  const floats = n.floats("value_floats");
  if (floats !== null) return n.resultConstant(f32Constant(floats));
  const ints = n.bigints("value_ints");
  if (ints !== null) return n.forward(0, n.i64(ints));
  if (n.has("sparse_value")) n.refuse("sparse tensors are not supported", "sparse_value");
  if (n.has("value_string") || n.has("value_strings")) n.refuse("string constants are not supported");
  n.fail("a Constant has no value", "one of value, value_float(s), value_int(s)", "none");
}

export function Shape(n: Operation) {
  const end = n.has("end") ? n.int("end") : null;
  n.result("shape", [n.input(0)], { start: n.int("start", 0), end }, "i64");
}

export function Size(n: Operation) {
  n.result("size", [n.input(0)], {}, "i64");
}

export function Reshape(n: Operation) {
  const shape = n.input(1);
  n.requireType(shape, ["i64"]);
  n.result("reshape", [n.input(0), shape], { allowZero: n.flag("allowzero", false) });
}

export function Expand(n: Operation) {
  const shape = n.input(1);
  n.requireType(shape, ["i64"]);
  n.result("expand", [n.input(0), shape], {});
}

/** A list that was the attribute `name` before opset `since` and is operand 1 from then on. */
function listOperand(n: Operation, name: string, since: number): ValueId | null {
  if (n.opset < since) {
    const values = n.bigints(name);
    return values === null ? null : n.i64(values);
  }
  const id = n.optional(1);
  if (id !== null) n.requireType(id, ["i64"]);
  return id;
}

export function Squeeze(n: Operation) {
  const x = n.input(0);
  const axes = listOperand(n, "axes", 13);
  n.result("squeeze", axes === null ? [x] : [x, axes], {});
}

export function Unsqueeze(n: Operation) {
  const x = n.input(0);
  n.result("unsqueeze", [x, listOperand(n, "axes", 13) ?? n.input(1)], {});
}

export function Flatten(n: Operation) {
  const x = n.input(0);
  n.result("flatten", [x], { axis: n.axis("axis", x, 1, 1) });
}

export function Transpose(n: Operation) {
  const x = n.input(0);
  const perm = n.ints("perm");
  const rank = n.rank(x);
  if (perm !== null) {
    const sorted = [...perm].sort((a, b) => a - b);
    if (sorted.some((axis, k) => axis !== k) || (rank !== undefined && rank !== perm.length)) {
      n.fail(
        `the attribute "perm" does not reorder the axes`,
        `0 to ${(rank ?? perm.length) - 1}`,
        perm.join(", "),
      );
    }
  }
  n.result("transpose", [x], { perm });
}

export function Concat(n: Operation) {
  const parts = n.rest(0, 1);
  n.sameType(...parts);
  const [first] = parts;
  if (first === undefined) return;
  n.result("concat", parts, { axis: n.axis("axis", first) });
}

export function Split(n: Operation) {
  const x = n.input(0);
  const sizes = listOperand(n, "split", 13);
  const count = n.opset >= 18 && n.has("num_outputs") ? n.int("num_outputs") : n.outputCount;
  if (count !== n.outputCount) {
    n.fail("num_outputs is not the number of outputs", `${n.outputCount}`, `${count}`);
  }
  const axis = n.axis("axis", x, 0);
  const types = Array.from({ length: count }, () => typed(n.dtype(x)));
  n.results("split", sizes === null ? [x] : [x, sizes], { axis }, types);
}

export function Slice(n: Operation) {
  const x = n.input(0);
  if (n.opset < 10) {
    const list = (name: string) =>
      n.bigints(name) ?? n.fail(`the attribute "${name}" is missing`, "a list", "none");
    const axes = n.bigints("axes");
    return n.result(
      "slice",
      [x, n.i64(list("starts")), n.i64(list("ends")), axes === null ? null : n.i64(axes)],
      {},
    );
  }
  const operands = [n.input(1), n.input(2), n.optional(3), n.optional(4)];
  for (const id of operands) if (id !== null) n.requireType(id, ["i64", "i32"]);
  n.sameType(...operands);
  n.result("slice", [x, ...operands.map((id) => (id === null ? null : n.cast(id, "i64")))], {});
}

export function Tile(n: Operation) {
  const repeats = n.input(1);
  n.requireType(repeats, ["i64"]);
  n.result("tile", [n.input(0), repeats], {});
}

export function Pad(n: Operation) {
  const x = n.input(0);
  const mode = n.word("mode", ["constant", "reflect", "edge", "wrap"], "constant");
  if (n.opset < 11) {
    const pads = n.bigints("pads") ?? n.fail(`the attribute "pads" is missing`, "a list", "none");
    return n.result("pad", [x, n.i64(pads), n.scalar(n.float("value", 0), n.dtype(x)), null], { mode });
  }
  const axes = n.optional(3);
  const value = n.optional(2);
  n.sameType(x, value);
  n.requireType(n.input(1), ["i64"]);
  n.result("pad", [x, n.input(1), value, axes === null ? null : n.cast(axes, "i64")], { mode });
}

export function ConstantOfShape(n: Operation) {
  const shape = n.input(0);
  n.requireType(shape, ["i64"]);
  const tensor = n.tensor("value");
  const value = tensor === null ? 0 : inlineScalar(tensor);
  if (value === undefined)
    n.fail("the value of ConstantOfShape has one element", "one element", "another number");
  const dtype = tensor?.dtype ?? "f32";
  n.result("constant-of-shape", [shape], { value, dtype }, dtype);
}

export function Range(n: Operation) {
  const operands = [n.input(0), n.input(1), n.input(2)];
  n.sameType(...operands);
  n.result("range", operands, {});
}

export function EyeLike(n: Operation) {
  const x = n.input(0);
  const dtype = n.dtypeAttribute("dtype");
  n.result("eye-like", [x], { k: n.int("k", 0), dtype }, dtype ?? n.dtype(x));
}

export function Trilu(n: Operation) {
  const k = n.optional(1);
  const x = n.input(0);
  n.result("trilu", k === null ? [x] : [x, k], { upper: n.flag("upper", true) });
}

export function DepthToSpace(n: Operation) {
  const mode = n.word("mode", ["DCR", "CRD"], "DCR");
  n.result("depth-to-space", [n.input(0)], { blockSize: positiveBlock(n), mode });
}

export function SpaceToDepth(n: Operation) {
  n.result("space-to-depth", [n.input(0)], { blockSize: positiveBlock(n) });
}

function positiveBlock(n: Operation): number {
  const size = n.int("blocksize");
  return size > 0 ? size : n.fail("the blocksize is not positive", "1 or more", `${size}`);
}
