import type { Shape } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import type { Operands, Section } from "../operands.js";
import type { Name } from "../writer.js";

export interface LayerNorm {
  readonly x: Name;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly axis: number;
  readonly epsilon: number;
  readonly scale: Name | null;
  readonly bias: Name | null;
}

/** (x − mean)·rsqrt(variance + ε)·scale + bias over the axes from `axis` on. */
export function layerNorm(n: Operands, { x, shape, dtype, axis, epsilon, scale, bias }: LayerNorm): Name {
  const attributes = { axis: { int: axis }, epsilon: { float: epsilon } };
  if (scale !== null) return n.op("LayerNormalization", [x, scale, bias], attributes);
  const sizes = shape.slice(axis < 0 ? axis + shape.length : axis);
  const numbers = sizes.filter((size) => typeof size === "number");
  if (numbers.length < sizes.length)
    throw n.refuse("a layer norm over an axis of unknown size", `[${sizes.join(", ")}]`);
  // The operator asks for a scale.
  const ones = n.writer.floats(
    Array.from({ length: numbers.reduce((a, b) => a * b, 1) }, () => 1),
    numbers,
  );
  return n.op("LayerNormalization", [x, n.writer.cast(ones, "f32", dtype), bias], attributes);
}

/** x/√(mean(x²) + ε) over `axes`. RMSNormalization exists from opset 23 on only. */
function rms(n: Operands, x: Name, dtype: DType, axes: readonly number[], epsilon: number): Name {
  const mean = n.op("ReduceMean", [n.op("Mul", [x, x]), n.integers(...axes)], { keepdims: { int: 1 } });
  const root = n.op("Sqrt", [n.op("Add", [mean, n.writer.scalar(epsilon, dtype)])]);
  return n.op("Div", [x, root]);
}

export interface RmsNorm {
  readonly x: Name;
  readonly rank: number;
  /** Size of the last axis. */
  readonly width: number;
  /** Channels that are normalized together. */
  readonly group: number;
  readonly dtype: DType;
  readonly epsilon: number;
  /** [group] */
  readonly weight: Name | null;
}

/** x[..., width] normalized in groups of channels. */
export function groupedRmsNorm(
  n: Operands,
  { x, rank, width, group, dtype, epsilon, weight }: RmsNorm,
): Name {
  const kept = Array.from({ length: rank - 1 }, () => 0);
  const groups = n.reshape(x, [...kept, width / group, group]);
  const normal = rms(n, groups, dtype, [-1], epsilon);
  const scaled = weight === null ? normal : n.op("Mul", [normal, weight]);
  return n.reshape(scaled, [...kept, width]);
}

export const norms: Section<"norms"> = {
  "layer-norm": (n, { axis, epsilon }) => {
    const dtype = n.dtype(0);
    const operand = (i: number) => (n.has(i) ? n.as(i, dtype) : null);
    const norm = { x: n.input(0), shape: n.shape(0), dtype, axis, epsilon };
    return layerNorm(n, { ...norm, scale: operand(1), bias: operand(2) });
  },
  "rms-norm": (n, { axis, epsilon, group }) => {
    const [dtype, rank] = [n.dtype(0), n.rank(0)];
    const weight = n.has(1) ? n.as(1, dtype) : null;
    if (group > 0) {
      return groupedRmsNorm(n, { x: n.input(0), rank, width: n.channels(0), group, dtype, epsilon, weight });
    }
    const first = axis < 0 ? axis + rank : axis;
    const axes = Array.from({ length: rank - first }, (_, i) => first + i);
    const normal = rms(n, n.input(0), dtype, axes, epsilon);
    return weight === null ? normal : n.op("Mul", [normal, weight]);
  },
  "instance-norm": (n, { epsilon }) =>
    n.op("InstanceNormalization", n.rest(), { epsilon: { float: epsilon } }),
  "group-norm": (n, { groups, epsilon, perGroupAffine }) => {
    const channels = Number(n.shape(0)[1]);
    // One scale per group is the form before opset 21.
    const perChannel = (x: Name) => {
      if (!perGroupAffine) return x;
      const spread = n.op("Expand", [n.unsqueeze(x, 1), n.integers(groups, channels / groups)]);
      return n.reshape(spread, [channels]);
    };
    return n.op("GroupNormalization", [n.input(0), perChannel(n.input(1)), perChannel(n.input(2))], {
      num_groups: { int: groups },
      epsilon: { float: epsilon },
    });
  },
  "group-norm-rows": (n, { groups, epsilon, activation }) => {
    const [dtype, rank] = [n.dtype(0), n.rank(0)];
    const rows = Array.from({ length: rank - 2 }, (_, i) => i + 1);
    const x = n.transpose(n.input(0), [0, rank - 1, ...rows]);
    const y = n.op("GroupNormalization", [x, n.as(1, dtype), n.as(2, dtype)], {
      num_groups: { int: groups },
      epsilon: { float: epsilon },
    });
    const normal = n.transpose(y, [0, ...rows.map((axis) => axis + 1), 1]);
    return activation === "silu" ? n.op("Mul", [normal, n.op("Sigmoid", [normal])]) : normal;
  },
  "batch-norm": (n, { epsilon }) => n.op("BatchNormalization", n.rest(), { epsilon: { float: epsilon } }),
  "lp-norm": (n, { axis, p }) =>
    n.op("LpNormalization", [n.input(0)], { axis: { int: axis }, p: { int: p } }),
};
