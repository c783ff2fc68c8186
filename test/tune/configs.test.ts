import { describe, expect, it } from "vitest";
import { FAMILIES } from "../../ir/families/index.js";
import { form, roundingOf } from "../../ir/families/launch/form.js";
import { everyConfig, keyOf } from "../../templates/choice/configs.js";

const forms = {
  fast: form<null>()({
    dimensions: { tile: [8, 16, 32], deep: [true, false] },
    launch: () => ({ tile: [1, 1, 1] }),
  }),
  wide: form<null>()({
    dimensions: { rows: Array.from({ length: 64 }, (_, i) => i + 1) },
    launch: () => ({ tile: [1, 1, 1] }),
  }),
};

describe("everyConfig", () => {
  it("is the product of a variant's dimensions, what is preferred first and then what is near to it", () => {
    const found = everyConfig(forms, [{ variant: "fast", tile: 16, deep: true }]);
    expect(found.map(keyOf)).toEqual([
      "fast deep=true tile=16",
      "fast deep=true tile=8",
      "fast deep=false tile=16",
      "fast deep=true tile=32",
      "fast deep=false tile=8",
      "fast deep=false tile=32",
    ]);
  });

  it("tries powers of two and the preferred value of a dimension with many values", () => {
    const found = everyConfig(forms, [{ variant: "wide", rows: 12 }]);
    expect(found.map(({ rows }) => rows)).toEqual([12, 1, 2, 4, 8, 16, 32, 64]);
  });

  it("leaves out variants that the family does not consider", () => {
    expect(everyConfig(forms, [])).toEqual([]);
  });
});

describe("roundingOf", () => {
  it("tells heads apart that other numbers of WebGPU's invocations add", () => {
    const { wgsl } = FAMILIES["qk-norm-rope"].forms;
    const orders = (norm: boolean) => {
      const params = { heads: 2, headDim: 128, norm, rope: true, weight: true, epsilon: 1e-6 };
      const of = (lanes: number) => roundingOf(wgsl, params, { variant: "heads", threads: 64, lanes });
      return new Set([16, 64].map(of)).size;
    };
    expect([orders(true), orders(false)]).toEqual([2, 1]);
  });
});
