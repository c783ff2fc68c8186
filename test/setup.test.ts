import { expect, it } from "vitest";

const floats = (...values: number[]) => Float32Array.from(values);

it("arrays of numbers with the same bytes are equal, any others are not", () => {
  expect(floats(1, Number.NaN, -0)).toEqual(floats(1, Number.NaN, -0));
  expect({ out: [floats(1, 2, 3).subarray(1)] }).toStrictEqual({ out: [floats(2, 3)] });
  const other = [
    floats(1, 3),
    floats(1),
    floats(1, 2, 0),
    Float64Array.of(1, 2),
    new Uint8Array(floats(1, 2).buffer),
  ];
  for (const array of other) expect(floats(1, 2)).not.toEqual(array);
  expect(floats(0)).not.toEqual(floats(-0));
});
