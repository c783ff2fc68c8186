import type { ByteReader } from "../../ir/constant/constant.js";
import { constantReader } from "../../ir/constant/read.js";
import type { ValueId } from "../../ir/graph/graph.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { type GroupSize, groupsOf } from "../../ir/ternary/groups.js";
import { momentsOf } from "./adam.js";
import { EXACT_START, intoCell, type Start } from "./start.js";
import type { Trained } from "./student.js";
import { fittedTernary } from "./ternary-weight.js";

/**
 * What the student begins as: each row, or group, of a ternary weight with the scale that fits it best, its weights in units of that;
 * all else as in the teacher, and Adam's moments 0. With a start, scales and all else are that one's, and weights are moved
 * into the cells of its codes.
 */
export function initialValues(
  trained: readonly Trained[],
  reader: ByteReader,
  start: Start = EXACT_START,
): (id: ValueId) => Tensor {
  const read = constantReader(reader, {});
  const byId = new Map(trained.map((value) => [value.id, value]));
  const moments = new Map(trained.flatMap(({ id, shape }) => momentsOf(id).map((moment) => [moment, shape])));
  return (id) => {
    const shape = moments.get(id);
    if (shape !== undefined) return { dtype: "f32", shape, data: new Float32Array(countOf(shape)) };
    const value = byId.get(id);
    if (value === undefined) throw new Error(`${id} is no state of training`);
    const { kind, parameter } = value;
    if (kind === "plain") return single(read(start.plain.get(parameter.id) ?? parameter.constant));
    const known = start.weights.get(parameter.id);
    const scales = single(read((known ?? fittedTernary(parameter.constant, parameter.group)).scales));
    if (kind === "scale") return scales;
    const codes = known === undefined ? undefined : read(known.codes);
    return latent(single(read(parameter.constant)), scales, parameter.group, codes);
  };
}

function latent(
  weight: Tensor & { readonly data: Float32Array },
  { data: scales }: Tensor,
  group: GroupSize | null,
  codes: Tensor | undefined,
): Tensor {
  const [, columns = 1] = weight.shape;
  const groups = groupsOf(columns, group);
  const data = weight.data.map((w, i) => {
    const column = i % columns;
    const scale = Number(scales[((i - column) / columns) * groups + Math.floor(column / (group ?? columns))]);
    // A row of zeros has scale 0, and stays one.
    const u = scale === 0 ? 0 : w / scale;
    return codes === undefined ? u : intoCell(u, Number(codes.data[i]));
  });
  return { ...weight, data };
}

function single(tensor: Tensor): Tensor & { readonly data: Float32Array } {
  if (!(tensor.data instanceof Float32Array)) throw new Error("a parameter that is not read as floats");
  return { dtype: "f32", shape: tensor.shape, data: tensor.data };
}
