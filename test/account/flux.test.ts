/** What FLUX.1-dev takes, planned from its graph without a weight. */

import { describe, expect, it } from "vitest";
import { FLUX_DEV, fluxGraph } from "../../benchmarks/flux-graph.js";
import { checkFit } from "../../compiler/account/fit.js";
import { type PlanRequest, planModel } from "../../compiler/account/plan-model.js";
import { storageOf } from "../../compiler/account/tensor-bytes.js";
import { stepTimeline } from "../../compiler/account/timeline.js";
import { TritcError } from "../../ir/errors.js";
import { scheduleWeights } from "../../ir/program/prompt-weights.js";
import { targetByName } from "../../targets/index.js";
import { byPhase } from "../support/phases.js";

const graph = fluxGraph(FLUX_DEV);
const reader = {
  read(): Uint8Array {
    throw new Error("planning reads no weights");
  },
};
const SIZES = [512, 1024].map((side) => ({ width: side, height: side }));

function plan(target: string, options: Partial<PlanRequest> = {}) {
  return planModel(graph, graph, reader, {
    target: targetByName(target),
    ternarize: "exact",
    activations: "int8",
    resolutions: SIZES,
    ...options,
  });
}

const GB = 1e9;
const a10 = plan("a10");
const at1024 = a10.account.plans[1];

describe("FLUX.1-dev at 1024x1024 on an A10", () => {
  it("takes less than a seventh of the bf16 model with modulation hoisted", () => {
    const { bf16, memory } = at1024 ?? {};
    expect(bf16?.weights).toBe(2 * (graph.model?.parameters ?? 0));
    const whole = (bf16?.weights ?? 0) + (bf16?.activations ?? 0);
    expect(memory?.stream.peak).toBeLessThan(whole / 7);
    expect(memory?.keep.peak).toBeLessThan(whole / 6);
  });

  it("keeps the modulation weights, or has none of them on the device between prompts", () => {
    const { lowered } = a10;
    const { streamed, turns } = scheduleWeights(lowered.program, "stream");
    const codes = [...streamed].filter((id) => /modulation\.codes$/.test(id));
    expect(codes).toHaveLength(2 * 19 + 38);
    // Two bits a weight on the device, and the dense time, text and output layers besides.
    const modulation = (19 * 2 * 18432 + 38 * 9216) * (3072 / 4);
    const { keep, stream } = at1024?.memory ?? {};
    const saved = (keep?.step.bytes ?? 0) - (stream?.step.bytes ?? 0);
    expect(saved).toBeGreaterThan(modulation);
    expect(saved).toBeLessThan(1.4 * modulation);
    // What is on the device for one launch of the prompt is little of it.
    expect((stream?.prompt.bytes ?? 0) - (stream?.step.bytes ?? 0)).toBeLessThan(saved / 8);
    expect(turns).toHaveLength(byPhase(lowered.program).prompt.length);
  });

  it("multiplies what the model's sizes say", () => {
    const [hidden, tokens, blocks] = [3072, 4096 + 512, 19 + 38];
    // q, k, v, out and the two MLP layers of each block are 12·hidden².
    expect(at1024?.step.operations.int8).toBe(2 * blocks * 12 * hidden ** 2 * tokens);
    expect(at1024?.step.operations.bf16).toBe(4 * blocks * tokens ** 2 * hidden);
    expect(at1024?.prompt.operations.int8).toBe(2 * 50 * (19 * 2 * 18432 + 38 * 9216) * hidden);
    const rates = { int8: 250e12, bf16: 125e12 };
    const { int8, bf16 } = at1024?.step.operations ?? { int8: 0, bf16: 0 };
    expect(at1024?.stepFloor).toBeGreaterThan(int8 / rates.int8 + bf16 / rates.bf16);
  });

  it("stores five trits to a byte", () => {
    const { bytes, byKind } = storageOf(a10.lowered.tensors);
    // Rows of 3072 codes take 615 bytes, of 12288 2458, of 15360 3072.
    const weights = graph.model?.blockLinearWeights ?? 0;
    expect(byKind["ternary codes"] / weights).toBeGreaterThan(0.2);
    expect(byKind["ternary codes"] / weights).toBeLessThan(0.2003);
    expect((2 * (graph.model?.parameters ?? 0)) / bytes).toBeGreaterThan(9.3);
  });

  it("has room for the activations that are alive at any launch", () => {
    const moments = stepTimeline(a10.lowered.program, at1024?.sizes ?? {});
    const { step, euler } = byPhase(a10.lowered.program);
    expect(moments).toHaveLength(step.length + euler.length);
    const kinds = new Map(a10.lowered.program.buffers.map((b) => [b.id, b.storage.kind]));
    const allocated = (at1024?.memory.keep.step.allocations ?? [])
      .filter(({ buffers: [id = ""] }) => kinds.get(id) === "arena" || kinds.get(id) === "host")
      .reduce((sum, { bytes }) => sum + bytes, 0);
    const alive = moments.map(({ inputs, hoisted, values }) => inputs + hoisted + values);
    expect(Math.max(...alive)).toBeLessThanOrEqual(allocated);
    // Sharing memory wastes little.
    expect(Math.max(...alive)).toBeGreaterThan(0.8 * allocated);
  });
});

describe("cards", () => {
  it.each([
    { card: undefined, promptWeights: "keep" },
    { card: 8 * GB, promptWeights: "keep" },
    { card: 6 * GB, promptWeights: "keep" },
    { card: 4 * GB, promptWeights: "stream" },
  ])("$card bytes: prompt weights $promptWeights", ({ card, promptWeights }) => {
    const { limitBytes, fit } = plan("a10", { memoryLimit: card }).account;
    expect(limitBytes).toBe((card ?? 24 * 2 ** 30) - 2 ** 29);
    expect(fit.promptWeights).toBe(promptWeights);
  });

  it("too small for a size say which fit", () => {
    const big = { width: 2048, height: 2048 };
    const found = plan("a10", { memoryLimit: 4 * GB, resolutions: [...SIZES, big] });
    const { fit, plans, limitBytes } = found.account;
    expect(fit.fitting).toEqual(SIZES);
    const side = fit.largestSquare?.width ?? 0;
    const fits = (width: number) =>
      plan("a10", { memoryLimit: 4 * GB, resolutions: [{ width, height: width }] }).account.fit.promptWeights;
    expect([fits(side), fits(side + 16)]).toEqual(["stream", null]);
    const refuse = () => checkFit(fit, found.target, plans, limitBytes);
    expect(refuse).toThrow(TritcError);
    expect(refuse).toThrow(
      new RegExp(
        `at 2048x2048[\\s\\S]*3\\.463 GB[\\s\\S]*512x512, 1024x1024 alone; or compile for --resolution ${side}x${side} or smaller`,
      ),
    );
  });

  it("too small for anything say so", () => {
    const { fit } = plan("a10", { memoryLimit: GB }).account;
    expect(fit).toEqual({ promptWeights: null, fitting: [], largestSquare: null });
    expect(plan("cuda-portable").account.limitBytes).toBeNull();
  });
});

describe("FLUX.1-dev with branches of rank 32", () => {
  it.each(["a10", "webgpu"])("has them in weight file and memory: %s", (target) => {
    const resolutions = SIZES.slice(0, 1);
    const [plain, branched] = [0, 32].map((residualRank) => plan(target, { resolutions, residualRank }));
    if (plain === undefined || branched === undefined) throw new Error("no plans");
    const [before, after] = [plain, branched].map(({ lowered }) => storageOf(lowered.tensors));
    const matrices = after?.tensors.filter(({ name }) => /\.(up|down)\.weight(\.|$)/.test(name)) ?? [];
    const gates = after?.tensors.filter(({ name }) => name.startsWith("ones.")) ?? [];
    const sum = (of: typeof matrices) => of.reduce((total, { bytes }) => total + bytes, 0);
    // Of each linear: modulation; q, k, v, out and the MLP's two of both streams; single blocks: q, k, v, MLP, out.
    const [h, mlp] = [3072, 12288];
    const double = 2 * (7 * h + 4 * 2 * h + 2 * (h + mlp));
    const single = 4 * h + 3 * 2 * h + (h + mlp) + (h + h + mlp);
    const bytes = 2 * 32 * (19 * double + 38 * single);
    expect(sum(matrices)).toBe(bytes);
    // Norms of heads are joined where they end a linear, which none with a branch does.
    const others = (of: typeof after) => sum(of?.tensors.filter(({ name }) => !/norm/.test(name)) ?? []);
    if (target === "webgpu") expect(others(after) - others(before)).toBe(bytes + sum(gates));
    expect(sum(gates)).toBeLessThan(1e6);
    const peaks = [plain, branched].map(({ account }) => account.plans[0]?.memory.keep.step.bytes ?? 0);
    expect((peaks[1] ?? 0) - (peaks[0] ?? 0)).toBeGreaterThan(bytes);
    expect(branched.account.fit.promptWeights).not.toBeNull();
  });
});
