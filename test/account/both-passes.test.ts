/** What both passes of guidance take at once, and whether that fits. */
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FLUX_DEV, fluxGraph } from "../../benchmarks/flux-graph.js";
import { bothPasses } from "../../compiler/account/both-passes.js";
import { type PlanRequest, planModel } from "../../compiler/account/plan-model.js";
import { describePasses } from "../../compiler/cli/plan-text.js";
import { recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import type { Bindings } from "../../ir/dim.js";
import type { Manifest } from "../../ir/format/manifest.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import { forTwoTexts } from "../../ir/program/two-texts.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { roomForBoth } from "../../runtime/pipeline/room-for-both.js";
import { targetByName } from "../../targets/index.js";
import { isKept, runAllocations } from "../../targets/memory/buffers.js";
import { programMemory } from "../../targets/memory/index.js";

const CHROMA = join(import.meta.dirname, "../models/chroma/diffusers");
const reader = fileReader();
afterAll(() => reader.close());

function plan(folder: string, target: string, options: Partial<PlanRequest> = {}) {
  const imported = importModel(folder);
  return planModel(imported, recognize(imported, reader), reader, {
    ...{ target: targetByName(target), ternarize: "exact", activations: "int8" },
    resolutions: [{ width: 512, height: 512 }],
    ...options,
  });
}

const bothOf = (program: Program) => forTwoTexts(program) as Program;
const withOther = (sizes: Bindings) => ({ ...sizes, other_txt_tokens: sizes.txt_tokens ?? 0 });

describe("both passes of Chroma", () => {
  const { lowered, account } = plan(CHROMA, "a10");
  const sizes = account.plans[0]?.sizes ?? {};
  const rules = targetByName("a10");
  const one = programMemory(lowered.program, sizes, rules, "keep").peak;
  const two = programMemory(bothOf(lowered.program), withOther(sizes), rules, "keep").peak;
  const reserved = 2 ** 29;

  it("are planned beside what one takes", () => {
    expect(two).toBeGreaterThan(1.3 * one);
    expect(account.bothPasses).toEqual({ bytes: two, atOnce: true });
    expect(describePasses({ bytes: two, atOnce: true }, null)).toMatch(/^at once, with [\d.]+ MB at most$/);
  });

  it("follow one another where the card has no room for both", () => {
    const short = plan(CHROMA, "a10", { memoryLimit: reserved + (one + two) / 2, promptWeights: "keep" });
    expect(short.account.fit.promptWeights).toBe("keep");
    expect(short.account.bothPasses).toEqual({ bytes: two, atOnce: false });
    const said = describePasses({ bytes: two, atOnce: false }, (one + two) / 2);
    expect(said).toMatch(/^one after the other: at once they take [\d.]+ MB of [\d.]+ MB$/);
  });

  it("follow one another where buffers of both exceed the target's limits", () => {
    const target = targetByName("a10");
    const largest = Math.max(...runAllocations(lowered.program, sizes).map(({ bytes }) => bytes));
    const limits = { ...target.limits, maxBufferBytes: largest };
    const drawing = { resolutions: [{ width: 512, height: 512 }], sampling: { guidance: 5 } };
    const planned = { plans: account.plans, drawing: drawing as never };
    const found = bothPasses(lowered.program, { ...target, limits }, planned, null, "keep");
    expect(found).toEqual({ bytes: null, atOnce: false });
    expect(describePasses({ bytes: null, atOnce: false }, null)).toMatch(/limits are higher/);
  });

  it("are drawn at once within the memory that a bundle was compiled for, beside networks that stay", () => {
    const manifest = (limitBytes: number | null) =>
      ({
        sampling: { pixelsPerToken: 16, referenceTokens: 0 },
        memory: {
          limitBytes,
          plans: [{ width: 512, height: 512, textTokens: sizes.txt_tokens, steps: sizes.steps }],
        },
      }) as unknown as Manifest;
    const stages = { transformer: one, networks: [50_000] };
    const room = (limitBytes: number | null, residency: "keep" | "alone") =>
      roomForBoth(
        { program: lowered.program, manifest: manifest(limitBytes) },
        stages,
        residency,
      )?.(bothOf(lowered.program), withOther(sizes));
    expect(room(null, "keep")).toBeUndefined();
    expect([1.01, 0.99].map((part) => room(part * two, "alone"))).toEqual([true, false]);
    expect([1.01, 0.99].map((part) => room(part * (two + 50_000), "keep"))).toEqual([true, false]);
  });
});

describe("FLUX.1-dev, which reads its guidance", () => {
  const graph = fluxGraph(FLUX_DEV);
  const { lowered, account } = planModel(graph, graph, reader, {
    ...{ target: targetByName("a10"), ternarize: "exact", activations: "int8" },
    resolutions: [{ width: 512, height: 512 }],
  });

  it("is planned for one pass", () => {
    expect(account.bothPasses).toBeNull();
  });

  it("reads weights twice for both passes where gates depend on the text, and where rows of streams are written apart", () => {
    const form = bothOf(lowered.program);
    verifyProgram(form);
    const kept = new Map(
      lowered.program.buffers.filter(isKept).map(({ id, elements }) => [id, Number(elements)]),
    );
    const words = (program: Program, wanted: RegExp) =>
      launchesThatRun(program, "step")
        .filter(({ label }) => wanted.test(label))
        .flatMap(({ args }) => args.map(({ buffer }) => kept.get(buffer) ?? 0))
        .reduce((sum, own) => sum + own, 0);
    const times = (wanted: RegExp) => words(form, wanted) / words(lowered.program, wanted);
    expect(times(/^single\.\d+\.(qkv|mlp\.up)|^double\.\d+\.\w+\.mlp\.up/)).toBe(1);
    expect(times(/\.(out|down)$/)).toBe(2);
    expect(times(/^double\.\d+\.\w+\.qkv$/)).toBe(2);
    expect(times(/./)).toBeLessThan(1.55);
  });
});
