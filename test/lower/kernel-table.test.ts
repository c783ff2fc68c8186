import { describe, expect, it } from "vitest";
import { KernelTable } from "../../compiler/lower/kernel-table.js";
import { binary, constant, input } from "../../ir/families/expression.js";
import { cpu } from "../../targets/index.js";

describe("the kernels of a program", () => {
  const adding = (table: KernelTable, value: number) =>
    table.select("elementwise", {
      rank: 1,
      inputs: ["f32"],
      output: "f32",
      expression: binary("add", input(0), constant(value)),
    }).kernel;

  it("are apart where parameters are, in numbers that JSON has no words for too", () => {
    const table = new KernelTable(cpu);
    const values = [1, 0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    const texts = ["1", "0", "-0", "Infinity", "-Infinity", "NaN"];
    const kernels = values.map((value) => adding(table, value));
    expect(kernels.map(({ params }) => params.expression)).toEqual(texts.map((text) => `add(in0, ${text})`));
    expect(new Set(kernels.map(({ id }) => id)).size).toBe(values.length);
  });

  it("are one where parameters are equal", () => {
    const table = new KernelTable(cpu);
    expect(adding(table, 0.5)).toBe(adding(table, 0.5));
    expect(table.all).toHaveLength(1);
  });
});
