import { describe, expect, it } from "vitest";
import {
  addDims,
  canonicalDim,
  divDims,
  evaluateDim,
  mulDims,
  subDims,
  substituteDim,
  symbol,
} from "../../ir/dim.js";

const bindings = { a: 7, b: 11, c: 13 };
const samples = ["a", "b", "a+b", "3*a-2*b", "a*b+4", "2*a*b*c-7", 5, 0, -3, "a-1"] as const;

describe("dimensions", () => {
  it("arithmetic agrees with numbers under a binding", () => {
    for (const x of samples) {
      for (const y of samples) {
        const [vx, vy] = [evaluateDim(x, bindings), evaluateDim(y, bindings)];
        expect(evaluateDim(addDims(x, y), bindings) + 0).toBe(vx + vy + 0);
        expect(evaluateDim(subDims(x, y), bindings) + 0).toBe(vx - vy + 0);
        expect(evaluateDim(mulDims(x, y), bindings) + 0).toBe(vx * vy + 0);
        if (vy !== 0 && y !== 0) expect(divDims(mulDims(x, y), y)).toBe(canonicalDim(x));
      }
    }
  });

  it("equal polynomials have one text", () => {
    expect(addDims("img_tokens", "txt_tokens")).toBe(addDims("txt_tokens", "img_tokens"));
    expect(subDims("a+b", "b")).toBe("a");
    expect(mulDims("a", 0)).toBe(0);
    expect(canonicalDim("b*a*2+a*b")).toBe("3*a*b");
  });

  it("division that leaves a remainder has no answer", () => {
    expect(divDims("a+1", 2)).toBeUndefined();
    expect(divDims("a", "b")).toBeUndefined();
    expect(divDims(7, 2)).toBeUndefined();
    expect(divDims("2*a+4", 2)).toBe("a+2");
  });

  it("names the symbol that has no value", () => {
    expect(() => evaluateDim("a+zz", bindings)).toThrow(/zz has no value/);
    expect(() => evaluateDim("__proto__", {})).toThrow(/__proto__ has no value/);
  });

  it("substitutes and cleans symbols", () => {
    expect(substituteDim("2*a+b", { a: "b", b: 4 })).toBe("2*b+4");
    expect(symbol("packed height/width")).toBe("packed_height_width");
    expect(symbol("0")).toBe("_0");
  });
});
