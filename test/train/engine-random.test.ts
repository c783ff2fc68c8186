import { expect, it } from "vitest";
import { drawNormals, drawUniforms } from "../../compiler/train/engine/random.js";
import { makeNoise } from "../../runtime/noise.js";

const COUNT = 20_001;
const draw = { seed: 7, step: 3, purpose: 1 };
const DRAWS = { uniforms: drawUniforms, normals: drawNormals } as const;

function moments(data: ArrayLike<number>): readonly [mean: number, variance: number] {
  const values = Array.from(data);
  const mean = values.reduce((a, b) => a + b) / values.length;
  return [mean, values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length];
}

it.each(Object.entries(DRAWS))("%s are equal for one seed, step and purpose, and no others", (_, numbers) => {
  const wanted = numbers(draw, COUNT);
  expect(numbers(draw, COUNT)).toEqual(wanted);
  expect(numbers(draw, 1001)).toEqual(wanted.slice(0, 1001));
  for (const other of [{ seed: 8 }, { step: 4 }, { purpose: 2 }]) {
    const found = numbers({ ...draw, ...other }, COUNT);
    const products = Float64Array.from(wanted, (x, i) => x * (found[i] ?? 0));
    // Independent: the mean of products is the product of means.
    expect(moments(products)[0]).toBeCloseTo(moments(wanted)[0] * moments(found)[0], 1);
    expect(found).not.toEqual(wanted);
  }
});

it("uniforms fill (0, 1), normals have mean 0 and variance 1", () => {
  const uniforms = drawUniforms(draw, COUNT);
  expect(Math.min(...uniforms)).toBeGreaterThan(0);
  expect(Math.max(...uniforms)).toBeLessThan(1);
  const [mean, variance] = moments(uniforms);
  expect([mean, variance * 12]).toEqual([expect.closeTo(0.5, 1), expect.closeTo(1, 1)]);
  expect(moments(drawNormals(draw, COUNT))).toEqual([expect.closeTo(0, 1), expect.closeTo(1, 1)]);
});

it("no picture of the same seed begins as a training's noise", () => {
  const noise = drawNormals({ seed: 7, step: 0, purpose: 0 }, 64);
  for (let stream = 0; stream < 4; stream++) expect(makeNoise(7, 64, stream)).not.toEqual(noise);
});

it("steps are whole numbers", () => {
  expect(() => drawUniforms({ ...draw, step: 0.5 }, 1)).toThrow("step");
  expect(() => drawNormals({ ...draw, step: -1 }, 1)).toThrow("step");
  expect(() => drawNormals({ ...draw, seed: -1 }, 1)).toThrow("seed");
});
