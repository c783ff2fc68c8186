import type { Evaluation, UpdateRule } from "../update-rule.js";

/**
 * Heun's method, of second order, as Diffusers' FlowMatchHeunDiscreteScheduler has it: a step of Euler's to the next noise
 * level, and from where it began once more with the mean of both velocities. The last step, to noise level 0, is Euler's.
 */
export const heun: UpdateRule = {
  summary: "Heun's method, of second order: two evaluations a step, one for the last",
  updates: [
    {
      // start = x, slope = v(x, σ[i]), x' = x + Δσ·v
      name: "heun-predict",
      graph: `graph "heun-predict" {
        input %sample: f32[rows, channels]
        input %velocity: f32[rows, channels]
        input %delta: f32[1]
        %next: f32[rows, channels] = gated-residual(%sample, %delta, %velocity)
        output %next, %sample, %velocity
      }`,
      writes: ["sample", "start", "slope"],
    },
    {
      // x'' = start + Δσ/2·(slope + v(x', σ[i+1]))
      name: "heun-correct",
      graph: `graph "heun-correct" {
        input %velocity: f32[rows, channels]
        input %start: f32[rows, channels]
        input %slope: f32[rows, channels]
        input %delta: f32[1]
        %sum: f32[rows, channels] = binary(%slope, %velocity) {"fn": "add"}
        %next: f32[rows, channels] = gated-residual(%start, %delta, %sum)
        output %next
      }`,
      writes: ["sample"],
    },
  ],
  evaluations: (sigmas) =>
    Array.from(sigmas.subarray(1), (next, step): readonly Evaluation[] => {
      const delta = Math.fround(next - (sigmas[step] ?? 0));
      const predict = { step, at: step, update: "heun-predict", coefficients: { delta } };
      const correct = { step, at: step + 1, update: "heun-correct", coefficients: { delta: delta / 2 } };
      return step + 2 < sigmas.length ? [predict, correct] : [predict];
    }).flat(),
};
