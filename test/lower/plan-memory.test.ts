import { describe, expect, it } from "vitest";
import { checkLimits } from "../../compiler/lower/check-limits.js";
import type { DraftBuffer } from "../../compiler/lower/lowering.js";
import { planMemory } from "../../compiler/lower/plan-memory.js";
import { UNLIMITED } from "../../compiler/pass.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Launch } from "../../ir/program/program.js";
import { uniform } from "../support/random.js";

function buffer(id: string, elements: number | string, kind: "arena" | "host" = "arena"): DraftBuffer {
  return { id, dtype: "f32", elements, storage: { kind }, label: id };
}

/** A launch that writes its last argument. */
function launch(...buffers: readonly string[]): Launch {
  const args = buffers.map((b) => ({ buffer: b, offset: 0, rowStride: 0, stepStride: 0 }));
  return { kernel: "k", rows: 1, args, scalars: [], grid: [], label: "" };
}

const writesLast = (l: Launch, i: number) => i === l.args.length - 1;

function slots(planned: ReturnType<typeof planMemory>): Record<string, number> {
  return Object.fromEntries(
    planned.buffers.flatMap(({ id, storage }) =>
      storage.kind === "arena" ? [[id, storage.slot] as const] : [],
    ),
  );
}

describe("plan-memory", () => {
  const buffers = [
    buffer("in", 8, "host"),
    buffer("table", "4*n"),
    buffer("a", 100),
    buffer("b", 100),
    buffer("c", 100),
    buffer("out", 10),
    buffer("idle", 1000),
  ];
  const phases = {
    load: [],
    prompt: [launch("in", "table")],
    step: [launch("table", "a"), launch("a", "b"), launch("b", "table", "c"), launch("c", "out")],
    euler: [],
  };
  const planned = planMemory(buffers, phasesWith(phases), writesLast, new Set(["out"]), { n: 5 });

  it("shares memory among buffers that do not live at once", () => {
    const slot = slots(planned);
    expect(slot.a).toBe(slot.c);
    expect(slot.a).not.toBe(slot.b);
    expect(slot.b).not.toBe(slot.c);
  });

  it("keeps what prompt writes for every step to itself", () => {
    const { table, ...rest } = slots(planned);
    expect(Object.values(rest)).not.toContain(table);
  });

  it("keeps outputs from what comes after them", () => {
    const later = phasesWith({ ...phases, euler: [launch("in", "after")] });
    const plan = planMemory([...buffers, buffer("after", 10)], later, writesLast, new Set(["out"]), { n: 5 });
    expect(slots(plan).after).not.toBe(slots(plan).out);
  });

  it("drops buffers that nothing touches, and reports the peak", () => {
    expect(planned.buffers.map((b) => b.id)).not.toContain("idle");
    // in 32, table 80, slots of a and b 400 each; out comes after b and shares its slot.
    expect(planned.report.activations).toBe(32 + 80 + 400 + 400);
    expect(planned.report.holders[0]?.bytes).toBe(400);
  });

  it("never gives overlapping lifetimes one slot, on random programs", () => {
    const next = uniform(7);
    const random = (n: number) => Math.floor(next() * n);
    for (let round = 0; round < 50; round++) {
      const ids = Array.from({ length: 12 }, (_, i) => `v${i}`);
      const step = ids.slice(1).map((id, i) => launch(ids[random(i + 1)] ?? "v0", id));
      const drafts = ids.map((id) => buffer(id, 4 * (1 + random(9))));
      const plan = planMemory(drafts, phasesWith({ step }), writesLast, new Set(), {});
      const slot = slots(plan);
      const touches = (id: string) =>
        step.flatMap((l, t) => (l.args.some((a) => a.buffer === id) ? [t] : []));
      for (const a of ids) {
        for (const b of ids) {
          if (a >= b || slot[a] === undefined || slot[a] !== slot[b]) continue;
          const [ta, tb] = [touches(a), touches(b)];
          expect(Math.max(...ta) < Math.min(...tb) || Math.max(...tb) < Math.min(...ta)).toBe(true);
        }
      }
    }
  });

  it("names tensor, size, limit and a resolution that fits", () => {
    const big = [buffer("single.0.qkv", "1000*img_tokens+1000*txt_tokens")];
    const draft = { buffers: big, kernels: [], launches: [] };
    const limits = { ...UNLIMITED, maxBufferBytes: 4_000_000 };
    const sizes = { img_tokens: 4096, txt_tokens: 512 };
    expect(() => checkLimits(draft, limits, sizes, "webgpu")).toThrow(
      /^single\.0\.qkv: .*\n {2}expected: at most 4000000 bytes\n {2}found: {4}18432000 bytes .*\n {2}try: {6}compile for --resolution 352x352 \(484 image tokens\)/,
    );
    expect(() => checkLimits(draft, limits, { img_tokens: 484, txt_tokens: 512 }, "webgpu")).not.toThrow();
  });
});
