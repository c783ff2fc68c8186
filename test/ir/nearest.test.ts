import { expect, it } from "vitest";
import { nearest } from "../../ir/nearest.js";

const TARGETS = ["cpu", "webgpu", "v100", "a100", "a10", "h100", "h200", "rtx-4090", "cuda-portable"];
const OPTIONS = ["--json", "--quiet", "--ternarize", "--target", "--prompt", "--prompts", "--out"];

it.each([
  ["cup", TARGETS, "cpu"],
  ["CPU", TARGETS, "cpu"],
  ["web-gpu", TARGETS, "webgpu"],
  ["cuda", TARGETS, "cuda-portable"],
  ["4090", TARGETS, "rtx-4090"],
  ["h20", TARGETS, "h200"],
  ["abacus", TARGETS, undefined],
  ["", TARGETS, undefined],
  ["--tarnerize", OPTIONS, "--ternarize"],
  ["-prompt", OPTIONS, "--prompt"],
  ["--promts", OPTIONS, "--prompts"],
  ["--speed", OPTIONS, undefined],
] as const)("%s", (word, candidates, meant) => expect(nearest(word, candidates)).toBe(meant));
