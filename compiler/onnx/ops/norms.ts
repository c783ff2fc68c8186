import type { ValueId } from "../../../ir/graph/graph.js";
import type { Operation } from "../operation.js";

export function LayerNormalization(n: Operation) {
  const x = n.input(0);
  const axis = n.axis("axis", x, -1);
  const epsilon = n.float("epsilon", 1e-5);
  n.ignore("stash_type");
  const bias = n.optional(2);
  const scale = n.input(1);
  n.sameType(scale, bias);
  n.result("layer-norm", bias === null ? [x, scale] : [x, scale, bias], { axis, epsilon });
  if (!n.wants(1) && !n.wants(2)) return;
  const rank = n.rank(x);
  if (axis >= 0 && rank === undefined)
    n.refuse("mean and deviation of LayerNormalization need a negative axis");
  const first = axis < 0 ? axis : axis - (rank ?? 0);
  const axes = n.i64(Array.from({ length: -first }, (_, k) => first + k));
  statistics(n, x, axes, epsilon);
}

/** Outputs 1 and 2: the mean, and 1/√(variance + epsilon). */
function statistics(n: Operation, x: ValueId, axes: ValueId, epsilon: number): void {
  const mean = (v: ValueId) =>
    n.emit("reduce", [v, axes], { fn: "mean", keepDims: true, noopWithEmptyAxes: false });
  const average = mean(x);
  n.forward(1, average);
  const centred = n.emit("binary", [x, average], { fn: "sub" });
  const variance = mean(n.emit("binary", [centred, centred], { fn: "mul" }));
  const guarded = n.emit("binary", [variance, n.scalar(epsilon, n.dtype(x))], { fn: "add" });
  n.forward(2, n.emit("unary", [n.emit("unary", [guarded], { fn: "sqrt" })], { fn: "reciprocal" }));
}

export function RMSNormalization(n: Operation) {
  const x = n.input(0);
  const scale = n.input(1);
  n.ignore("stash_type");
  const attrs = { axis: n.axis("axis", x, -1), epsilon: n.float("epsilon", 1e-5), group: 0 };
  const to = n.dtype(scale);
  if (to === n.dtype(x)) return n.result("rms-norm", [x, scale], attrs);
  // Statistics are those of x; the result has the type of the scale.
  const wide = n.emit("rms-norm", [x, n.cast(scale, n.dtype(x))], attrs);
  n.result("cast", [wide], { to }, to);
}

/** ONNX Runtime's name of RMSNormalization, which its optimizer puts into the default domain. */
export const SimplifiedLayerNormalization = RMSNormalization;

export function InstanceNormalization(n: Operation) {
  const operands = [n.input(0), n.input(1), n.input(2)];
  n.sameType(...operands);
  n.result("instance-norm", operands, { epsilon: n.float("epsilon", 1e-5) });
}

export function GroupNormalization(n: Operation) {
  n.ignore("stash_type");
  const operands = [n.input(0), n.input(1), n.input(2)];
  const groups = n.int("num_groups");
  // Scale and bias had one entry per group before opset 21, and have one per channel since.
  const attrs = { groups, epsilon: n.float("epsilon", 1e-5), perGroupAffine: n.opset < 21 };
  n.result("group-norm", operands, attrs);
}

/** Inference form: the statistics are operands. */
export function BatchNormalization(n: Operation) {
  n.ignore("momentum", "spatial");
  if (n.flag("training_mode", false)) n.refuse("BatchNormalization in training mode is not supported");
  const operands = [n.input(0), n.input(1), n.input(2), n.input(3), n.input(4)];
  n.result("batch-norm", operands, { epsilon: n.float("epsilon", 1e-5) });
}

export function LpNormalization(n: Operation) {
  const x = n.input(0);
  n.result("lp-norm", [x], { axis: n.axis("axis", x, -1), p: n.int("p", 2) });
}

/** (x − mean) / (√(mean(x²) − mean²) + 1e-9) */
export function MeanVarianceNormalization(n: Operation) {
  const x = n.input(0);
  const dtype = n.dtype(x);
  const axes = n.i64(n.ints("axes") ?? [0, 2, 3]);
  const mean = (v: ValueId) =>
    n.emit("reduce", [v, axes], { fn: "mean", keepDims: true, noopWithEmptyAxes: false });
  const average = mean(x);
  const centred = n.emit("binary", [x, average], { fn: "sub" });
  const variance = mean(n.emit("binary", [centred, centred], { fn: "mul" }));
  const deviation = n.emit("unary", [variance], { fn: "sqrt" });
  const guarded = n.emit("binary", [deviation, n.scalar(1e-9, dtype)], { fn: "add" });
  n.result("binary", [centred, guarded], { fn: "div" });
}
