import type { Constant } from "../../../ir/constant/constant.js";
import { floatsConstant } from "../../rewrite/values.js";
import { MAX_PERIOD, TIME_FACTOR } from "../flux/graph-builder.js";

/**
 * What the first layer reads of each row besides the timestep, [1, rows, channels]: sinusoids of a guidance of 0, and of the
 * row's number. These take thousands of turns, so that their steps round to f32 as they did in training.
 */
export function rowChannels(rows: number, guidance: number, number: number): Constant {
  const channels = guidance + number;
  const values = new Float32Array(rows * channels);
  const half = number / 2;
  for (let row = 0; row < rows; row++) {
    values.fill(1, row * channels, row * channels + guidance / 2);
    for (let i = 0; i < half; i++) {
      const frequency = Math.fround(
        Math.exp(Math.fround(Math.fround(Math.fround(-Math.log(MAX_PERIOD)) * i) / half)),
      );
      const angle = Math.fround(row * TIME_FACTOR * frequency);
      const at = row * channels + guidance + i;
      values[at] = Math.cos(angle);
      values[at + half] = Math.sin(angle);
    }
  }
  return floatsConstant(values, [1, rows, channels]);
}
