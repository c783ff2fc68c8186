import type { UpdateRule } from "../update-rule.js";

/** x' = x + (σ[i+1] − σ[i])·v(x, σ[i]) */
export const euler: UpdateRule = {
  summary: "Euler's method: one evaluation a step",
  updates: [
    {
      name: "euler",
      graph: `graph "euler" {
        input %sample: f32[rows, channels]
        input %velocity: f32[rows, channels]
        input %delta: f32[1]
        %next: f32[rows, channels] = gated-residual(%sample, %delta, %velocity)
        output %next
      }`,
      writes: ["sample"],
    },
  ],
  evaluations: (sigmas) =>
    Array.from(sigmas.subarray(1), (next, step) => ({
      step,
      at: step,
      update: "euler",
      coefficients: { delta: next - (sigmas[step] ?? 0) },
    })),
};
