/** Velocities of models that are guided by two passes. */
import { expect, it } from "vitest";
import { guidedVelocities } from "../../compiler/calibrate/guided.js";
import type { Query, Transformer } from "../../compiler/calibrate/transformer.js";

const f = (...values: number[]) => Float32Array.from(values);
const query = (context: number, scale?: number): Query =>
  ({
    context: f(context),
    pooled: f(),
    ...(scale === undefined ? {} : { twoPasses: { context: f(1), pooled: f(), scale } }),
  }) as unknown as Query;

it("are moved away from the second pass, which counts in no moments; others stay as they are", async () => {
  const asked: (readonly [contexts: readonly number[], weight: number])[] = [];
  const transformer = {
    async velocities(queries: readonly Query[], weight = 0) {
      asked.push([queries.map(({ context }) => context[0] ?? 0), weight]);
      return queries.map(({ context }) => context.map((value) => 2 * value));
    },
  } as unknown as Transformer;
  const found = await guidedVelocities(transformer, [query(5, 4), query(7), query(3, 0.5)], 0.25);
  // 2 + 4·(10 − 2), 14, 2 + 0.5·(6 − 2)
  expect(found).toEqual([f(34), f(14), f(4)]);
  expect(asked).toEqual([
    [[5, 7, 3], 0.25],
    [[1, 1], 0],
  ]);
  asked.length = 0;
  await guidedVelocities(transformer, [query(5)], 1);
  expect(asked).toEqual([[[5], 1]]);
});
