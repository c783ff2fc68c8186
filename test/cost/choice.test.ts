/** The cost model by itself: seconds from counts, and choices from seconds. */
import { describe, expect, it } from "vitest";
import { form, type LaunchShape } from "../../ir/families/launch/form.js";
import type { DeviceKind } from "../../targets/device-kind.js";
import type { Speed } from "../../targets/speed.js";
import { choose } from "../../templates/choice/choose.js";
import { type Counts, type Launched, residentOf, timeOf } from "../../templates/choice/cost.js";
import { sharedTile } from "../../templates/choice/shared-tile.js";
import { kernelTemplates } from "../../templates/kernel-templates.js";

/** 10 units of 1 GHz: numbers to reckon with in one's head. */
const speed: Speed = {
  of: "a device of the test",
  units: 10,
  lanes: 32,
  overlaps: true,
  hertz: 1e9,
  perCycle: { f32: 100, shared: 50 },
  bytesPerSecond: { l2: 1e12, memory: 1e11 },
  l2Bytes: 1e6,
  holds: { workgroups: 8, threads: 1024, sharedBytes: 65_536, registers: 65_536 },
  busyThreads: 256,
  launchSeconds: 1e-6,
};
const device: DeviceKind = {
  ...{ name: "test", features: [], threads: 1024, sharedBytes: 65_536, cuda: null, speed },
};
const launch: LaunchShape = {
  ...{ workgroup: [256, 1, 1], tile: [64, 64, 1], sharedBytes: 0, persistent: false, tensorMaps: [] },
  ...{ blocks: 1, registers: 0 },
};
const launched: Launched = { rows: 64, launch, device, speed };
const counts: Counts = { workgroups: 10, each: { f32: 1e6 }, bytes: { l2: 0, memory: 0 } };
/** Of 1e6 operations at 100 a cycle. */
const ONE = 10e-6;

describe("timeOf", () => {
  it("takes the resource that takes longest, and a launch's own time", () => {
    expect(timeOf(counts, launched)).toMatchObject({ seconds: ONE + 1e-6, bound: "f32", filled: 1 });
    const shared = { ...counts, each: { f32: 1e6, shared: 1e6 } };
    expect(timeOf(shared, launched)).toMatchObject({ seconds: 2 * ONE + 1e-6, bound: "shared" });
    const memory = { ...counts, bytes: { l2: 1e6, memory: 5e6 } };
    expect(timeOf(memory, launched)).toMatchObject({ seconds: 50e-6 + 1e-6, bound: "memory" });
    const small = { ...counts, each: { f32: 10 } };
    expect(timeOf(small, launched)?.bound).toBe("launch");
  });

  it("shows the last wave that few units work on", () => {
    expect(timeOf({ ...counts, workgroups: 11 }, launched)).toMatchObject({
      seconds: 2 * ONE + 1e-6,
      filled: 11 / 20,
    });
    expect(timeOf({ ...counts, workgroups: 20 }, launched)).toMatchObject({
      seconds: 2 * ONE + 1e-6,
      filled: 1,
    });
  });

  it("counts how many workgroups a unit runs at a time, and is slower where too few threads hide latencies", () => {
    expect(residentOf(counts, launch, speed)).toBe(4);
    expect(residentOf({ ...counts, registers: 128 }, launch, speed)).toBe(2);
    expect(residentOf(counts, { ...launch, sharedBytes: 40_000 }, speed)).toBe(1);
    expect(residentOf({ ...counts, resident: 3 }, launch, speed)).toBe(3);
    const thin = { ...launched, launch: { ...launch, workgroup: [64, 1, 1] as const } };
    expect(timeOf(counts, thin)?.seconds).toBeCloseTo(4 * ONE + 1e-6, 12);
    // Four of them at a time are enough again.
    expect(timeOf({ ...counts, workgroups: 40 }, thin)?.seconds).toBeCloseTo(4 * ONE + 1e-6, 12);
  });

  it("adds what overlaps with nothing, once a wave", () => {
    const serial = { ...counts, workgroups: 80, serial: 1000 };
    // 40 run at a time.
    expect(timeOf(serial, launched)).toMatchObject({ waves: 2 });
    expect(timeOf(serial, launched)?.seconds).toBeCloseTo(8 * ONE + 2 * 1e-6 + 1e-6, 12);
  });

  it("knows nothing where a rate is not known", () => {
    expect(timeOf({ ...counts, each: { tensorInt8: 1 } }, launched)).toBeUndefined();
    expect(timeOf({ ...counts, each: { tensorInt8: 0 } }, launched)).toBeDefined();
  });
});

const plain = form<null>()({
  dimensions: { width: [8, 16, 32] },
  launch: (_, { width }) => ({ tile: [width, 1, 1], workgroup: [256, 1, 1] }),
});
const forms = { plain };
type Widths = Readonly<Record<8 | 16 | 32, number | null>>;

/** Templates whose kernels take so many operations by width. */
function templatesOf(operations: Widths) {
  return kernelTemplates(forms, {
    configs: () => [{ variant: "plain", width: 16 }],
    values: { plain: () => ({}) },
    cost: {
      plain: (_, { width }) => {
        const f32 = operations[width];
        return f32 === null ? null : { workgroups: 10, each: { f32 }, bytes: { l2: 0, memory: 0 } };
      },
    },
  });
}

const problem = { family: "test", params: null, rows: [64, 8], device };

describe("choose", () => {
  it("takes the cheapest of all combinations, over all rows", () => {
    const chosen = choose(problem, templatesOf({ 8: 3e6, 16: 2e6, 32: 1e6 }));
    expect(chosen.config).toEqual({ variant: "plain", width: 32 });
    expect(chosen.reason).toBe("the cheapest of 3 that fit");
    const cost = chosen.candidates.find(({ config }) => config === chosen.config)?.cost;
    expect(cost?.launches.map(({ rows, bound }) => [rows, bound])).toEqual([
      [64, "f32"],
      [8, "f32"],
    ]);
    expect(cost?.seconds).toBeCloseTo(2 * (ONE + 1e-6), 12);
  });

  it("takes the family's first where little is between them, or its cost is not known", () => {
    expect(choose(problem, templatesOf({ 8: 3e6, 16: 1e6, 32: 0.99e6 })).config.width).toBe(16);
    expect(choose(problem, templatesOf({ 8: 3e6, 16: null, 32: 1e6 })).config.width).toBe(16);
    const unknown = { ...device, speed: null };
    const costs = templatesOf({ 8: 3e6, 16: 2e6, 32: 1e6 });
    expect(choose({ ...problem, device: unknown }, costs).config.width).toBe(16);
    expect(choose({ ...problem, rows: [] }, costs).config.width).toBe(16);
    expect(choose({ ...problem, rows: [] }, costs).candidates).toHaveLength(1);
  });

  it("leaves out what costs nobody knows, but not the others", () => {
    expect(choose(problem, templatesOf({ 8: 1e6, 16: 2e6, 32: null })).config.width).toBe(8);
  });

  it("takes what was measured, whatever it costs", () => {
    const measured = { variant: "plain", width: 8 };
    expect(choose(problem, templatesOf({ 8: 3e6, 16: 2e6, 32: 1e6 }), { measured })).toMatchObject({
      config: measured,
      reason: "measured best",
    });
  });
});

describe("sharedTile", () => {
  const slow = { ...device, speed: { ...speed, perCycle: { f32: 10 } } };
  const problems = [problem, { ...problem, device: slow }];

  it("is the first kind's cheapest", () => {
    expect(sharedTile(problems, templatesOf({ 8: 3e6, 16: 2e6, 32: 1e6 }))).toEqual([32, 1, 1]);
  });

  it("is not known where a kind's costs are not, or there is but one", () => {
    const costs = templatesOf({ 8: 3e6, 16: 2e6, 32: 1e6 });
    expect(sharedTile([problem], costs)).toBeUndefined();
    expect(sharedTile([problem, { ...problem, device: { ...device, speed: null } }], costs)).toBeUndefined();
  });
});
