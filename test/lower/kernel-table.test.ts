import { describe, expect, it } from "vitest";
import { KernelTable } from "../../compiler/lower/kernel-table.js";
import { binary, constant, input } from "../../ir/families/expression.js";
import { cpu } from "../../targets/index.js";

describe("the kernels of a program", () => {
  const adding = (table: KernelTable, value: number) =>
    table.want(
      "elementwise",
      { rank: 1, inputs: ["f32"], output: "f32", expression: binary("add", input(0), constant(value)) },
      "t",
    );

  it("are apart where parameters are, in numbers that JSON has no words for too", () => {
    const table = new KernelTable(cpu);
    const values = [1, 0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    const texts = ["1", "0", "-0", "Infinity", "-Infinity", "NaN"];
    const keys = values.map((value) => adding(table, value));
    const chosen = table.choose([]);
    const kernels = keys.map((key) => chosen.byKey(key).kernel);
    expect(kernels.map(({ params }) => params.expression)).toEqual(texts.map((text) => `add(in0, ${text})`));
    expect(new Set(kernels.map(({ id }) => id)).size).toBe(values.length);
  });

  it("are one where parameters are equal", () => {
    const table = new KernelTable(cpu);
    expect(adding(table, 0.5)).toBe(adding(table, 0.5));
    expect(table.choose([]).all).toHaveLength(1);
  });

  it("are chosen for the rows of all their launches, at every size that decides them", () => {
    const table = new KernelTable(cpu);
    for (const rows of ["t", "2*t", 7, "s"]) table.want("softmax", { log: false }, rows);
    const [softmax] = table.choose([{ t: 64 }, { t: 128 }, { t: 32 }]).all;
    expect(softmax?.definition.choices[0]?.problem.rows).toEqual([256, 128, 64, 32, 7]);
  });

  it("are chosen with the scalars of these launches, as far as they are decided", () => {
    const table = new KernelTable(cpu);
    table.want("softmax", { log: false }, "t", ["2*t"]);
    table.want("softmax", { log: false }, 7, ["s"]);
    const [softmax] = table.choose([{ t: 64 }, { t: 32 }]).all;
    const { problem, candidates } = softmax?.definition.choices[0] ?? expect.fail();
    expect([...(problem.scalars ?? [])]).toEqual([
      [64, [128]],
      [32, [64]],
      [7, []],
    ]);
    // Of 7 rows nobody knows how long they are.
    expect(candidates.map(({ cost }) => cost)).toEqual(candidates.map(() => null));
  });
});
