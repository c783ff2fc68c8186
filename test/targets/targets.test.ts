import { describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/index.js";
import { type Activations, checkActivations, TARGETS, targetByName } from "../../targets/index.js";
import { deviceWeightWords } from "../../templates/index.js";

const ALL: readonly Activations[] = ["int8", "f16", "f32"];

describe.each(TARGETS)("the $name target", (target) => {
  it("is found by its name", () => {
    expect(targetByName(target.name)).toBe(target);
  });

  it("takes the activations it lists, each of which has a ternary gemm, and refuses the others", () => {
    expect(target.activations.length).toBeGreaterThan(0);
    for (const activations of ALL) {
      const check = () => checkActivations(target, activations);
      if (target.activations.includes(activations)) expect(check).not.toThrow();
      else expect(check).toThrow(/expected: int8, f32\s+found: {4}f16/);
    }
    for (const activations of ["i8", "f32"] as const)
      expect(deviceWeightWords("ternary-gemm", { n: 5, k: 33, activations }, target)).toBeGreaterThan(0);
  });

  it("refuses before anything is read or written", async () => {
    const options = { input: "none.onnx", out: "none", target: target.name, ternarize: "exact" } as const;
    await expect(compileModel({ ...options, activations: "f16" })).rejects.toMatchObject({
      code: "TRITC_E_ACTIVATIONS",
      exitCode: 2,
    });
  });
});

it("names the targets there are where one is not found", () => {
  expect(() => targetByName("abacus")).toThrow(/expected: cpu, webgpu\s+found: {4}abacus/);
});
