import type { OpAttrs } from "../../ops/index.js";
import type { Tensor } from "../../tensor.js";
import { type Context, floats, newFloats, OpError } from "../value.js";
import { ACTIVATIONS } from "./activations.js";

/** `group-norm-rows`: statistics in f64 over the channels of a group in all rows of a sample. */
export function groupNormRows(
  x: Tensor,
  scale: Tensor,
  bias: Tensor,
  { groups, epsilon, activation }: OpAttrs["group-norm-rows"],
  context: Context,
): Tensor {
  const [batch = 1] = x.shape;
  const channels = x.shape.at(-1) ?? 1;
  if (channels % groups !== 0) throw new OpError(`${channels} channels in ${groups} groups`);
  const [data, factors, offsets] = [floats(x), floats(scale), floats(bias)];
  const out = newFloats(x.dtype, data.length, context.wide);
  const active = ACTIVATIONS[activation] ?? ((v: number) => v);
  const perGroup = channels / groups;
  const sample = data.length / Math.max(1, batch);
  const count = sample / groups;
  for (let first = 0; first < data.length; first += sample) {
    for (let g = 0; g < groups; g++) {
      /** Calls back with the place of each element of the group and its channel. */
      const each = (use: (at: number, channel: number) => void) => {
        for (let row = first; row < first + sample; row += channels)
          for (let c = g * perGroup; c < (g + 1) * perGroup; c++) use(row + c, c);
      };
      let [sum, squares] = [0, 0];
      each((at) => {
        sum += data[at]!;
      });
      const mean = sum / count;
      each((at) => {
        squares += (data[at]! - mean) ** 2;
      });
      const inverse = 1 / Math.sqrt(squares / count + epsilon);
      each((at, c) => {
        out[at] = active((data[at]! - mean) * inverse * factors[c]! + offsets[c]!);
      });
    }
  }
  return { dtype: x.dtype, shape: x.shape, data: out };
}
