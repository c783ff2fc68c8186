/** What launches of kernels without a cost take at least, and what a step comes to. */
import { describe, expect, it } from "vitest";
import { printStepEstimates, type StepEstimate } from "../../compiler/step-estimates.js";
import type { Work } from "../../ir/program/work.js";
import { estimateOf } from "../../templates/choice/estimate.js";
import { ROUND_SPEED as speed } from "../support/cost-device.js";

const NONE = { int8: 0, bf16: 0, f32: 0 };
const of = (work: Partial<Work>): Work => ({ operations: NONE, readBytes: 0, writtenBytes: 0, ...work });

describe("estimateOf", () => {
  it("is bytes or operations, whatever takes longer, and the launch", () => {
    const bytes = { readBytes: 3e6, writtenBytes: 1e6 };
    expect(estimateOf(of(bytes), speed)).toEqual({ seconds: 40e-6 + 1e-6, bound: "memory" });
    expect(estimateOf(of({ ...bytes, operations: { ...NONE, f32: 100e6 } }), speed)).toEqual({
      seconds: 100e-6 + 1e-6,
      bound: "f32",
    });
    expect(estimateOf(of({ operations: { ...NONE, int8: 100e6 } }), speed)).toEqual({
      seconds: 50e-6 + 1e-6,
      bound: "int8",
    });
    expect(estimateOf(of({ readBytes: 100 }), speed)?.bound).toBe("launch");
  });

  it("takes matrix instructions where there are any, and f32 where bf16 has no rate", () => {
    const matrices = { ...speed, perCycle: { ...speed.perCycle, tensorInt8: 2000, tensorF16: 1000 } };
    const both = (work: Work) => [speed, matrices].map((known) => estimateOf(work, known));
    const [dots, products] = both(of({ operations: { ...NONE, int8: 100e6 } }));
    expect([dots?.bound, products?.bound]).toEqual(["int8", "tensorInt8"]);
    expect((dots?.seconds ?? 0) - 1e-6).toBeCloseTo(10 * ((products?.seconds ?? 0) - 1e-6), 12);
    const [floats, halves] = both(of({ operations: { ...NONE, bf16: 100e6 } }));
    expect([floats?.bound, halves?.bound]).toEqual(["f32", "tensorF16"]);
  });

  it("knows nothing where a rate is not known", () => {
    const dumb = { ...speed, perCycle: { issue: 4 } };
    expect(estimateOf(of({ operations: { ...NONE, f32: 1 } }), dumb)).toBeUndefined();
    expect(estimateOf(of({ readBytes: 1e6 }), dumb)?.bound).toBe("memory");
  });
});

describe("printStepEstimates", () => {
  it("names each size once, and what is more than a hundredth", () => {
    const step: StepEstimate = {
      resolution: { width: 64, height: 32 },
      device: "GPU",
      speed: "a device of the test",
      seconds: 0.2,
      bounds: { f32: 0.15, memory: 0.0499, launch: 0.0001 },
      families: { attention: 0.2 },
    };
    const steps = [step, { ...step, device: "any adapter", seconds: 2 }, { ...step, resolution: null }];
    expect(printStepEstimates(steps).split("\n")).toEqual([
      "a step of 64x32 by the cost model",
      "  GPU, a device of the test: 200 ms; bound by f32 75%, memory 25%; attention 100%",
      "  any adapter, a device of the test: 2.00 s; bound by f32 8%, memory 2%; attention 10%",
      "a step by the cost model",
      "  GPU, a device of the test: 200 ms; bound by f32 75%, memory 25%; attention 100%",
    ]);
    expect(printStepEstimates([])).toBe("");
  });
});
