/** The cost model by itself: seconds from counts, and choices from seconds. */
import { describe, expect, it } from "vitest";
import { form, type LaunchShape } from "../../ir/families/launch/form.js";
import type { KernelConfig } from "../../ir/program/program.js";
import type { DeviceKind } from "../../targets/device-kind.js";
import { candidatesOf, choose } from "../../templates/choice/choose.js";
import { type Counts, type Launched, residentOf, timeOf } from "../../templates/choice/cost.js";
import type { Problem } from "../../templates/choice/problem.js";
import { type Circumstances, chooseTogether } from "../../templates/choice/together.js";
import { kernelTemplates } from "../../templates/kernel-templates.js";
import { ROUND_SPEED as speed } from "../support/cost-device.js";

const device: DeviceKind = {
  ...{ name: "test", features: [], threads: 1024, sharedBytes: 65_536, cuda: null, speed },
};
const launch: LaunchShape = {
  ...{
    workgroup: [256, 1, 1],
    tile: [64, 64, 1],
    sharedBytes: 0,
    persistent: false,
    cluster: 1,
    tensorMaps: [],
  },
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

type Templates = ReturnType<typeof templatesOf>;
const pick = (of: Problem<null>, templates: Templates, measured?: KernelConfig) =>
  choose(of, candidatesOf(of, templates, measured !== undefined), measured);

const problem = { family: "test", params: null, rows: [64, 8], device };

describe("choose", () => {
  it("takes the cheapest of all combinations, over all rows", () => {
    const chosen = pick(problem, templatesOf({ 8: 3e6, 16: 2e6, 32: 1e6 }));
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
    expect(pick(problem, templatesOf({ 8: 3e6, 16: 1e6, 32: 0.99e6 })).config.width).toBe(16);
    expect(pick(problem, templatesOf({ 8: 3e6, 16: null, 32: 1e6 })).config.width).toBe(16);
    const unknown = { ...device, speed: null };
    const costs = templatesOf({ 8: 3e6, 16: 2e6, 32: 1e6 });
    expect(pick({ ...problem, device: unknown }, costs).config.width).toBe(16);
    expect(pick({ ...problem, rows: [] }, costs).config.width).toBe(16);
    expect(pick({ ...problem, rows: [] }, costs).candidates).toHaveLength(1);
  });

  it("weighs devices that a kind stands for alike, by their geometric mean", () => {
    // Twice as fast on the kind's own, three times as slow on the other: not worth it.
    const others = [{ ...speed, units: 4, perCycle: { f32: 5, shared: 50 } }];
    const several = { ...device, speed: { ...speed, others } };
    const templates = kernelTemplates(forms, {
      configs: () => [{ variant: "plain", width: 16 }],
      values: { plain: () => ({}) },
      cost: {
        plain: (_, { width }, { speed: { units } }) => ({
          workgroups: units,
          each: { f32: width === 16 ? 2e6 : units === 10 ? 1e6 : 6e6 },
          bytes: { l2: 0, memory: 0 },
        }),
      },
    });
    expect(pick(problem, templates).config.width).toBe(8);
    const chosen = pick({ ...problem, device: several }, templates);
    expect(chosen.config.width).toBe(16);
    const cost = chosen.candidates.find(({ config }) => config.width === 16)?.cost;
    const on = (seconds: number) => 2 * (seconds + 1e-6);
    expect(cost?.seconds).toBeCloseTo(Math.sqrt(on(2 * ONE) * on(400e-6)), 10);
    expect(cost?.launches[0]?.seconds).toBeCloseTo(2 * ONE + 1e-6, 12);
  });

  it("leaves out what costs nobody knows, but not the others", () => {
    expect(pick(problem, templatesOf({ 8: 1e6, 16: 2e6, 32: null })).config.width).toBe(8);
  });

  it("takes what was measured, whatever it costs", () => {
    const measured = { variant: "plain", width: 8 };
    expect(pick(problem, templatesOf({ 8: 3e6, 16: 2e6, 32: 1e6 }), measured)).toMatchObject({
      config: measured,
      reason: "measured best",
    });
  });
});

describe("chooseTogether", () => {
  const unmeasured = { measured: [undefined, undefined], oneGrid: true };
  /** A kernel of any device and one that needs a feature; both have tiles by their width. */
  const two = {
    fast: form<null>()({
      dimensions: { width: [8, 16, 32], depth: [1, 2] },
      needs: () => ["fast"],
      launch: (_, { width }) => ({ tile: [width, 1, 1], workgroup: [256, 1, 1] }),
    }),
    slow: form<null>()({
      dimensions: { width: [8, 16, 32], depth: [1, 2] },
      launch: (_, { width }) => ({ tile: [width, 1, 1], workgroup: [256, 1, 1] }),
    }),
  };
  type Cost = (width: number, depth: number) => number;
  const twoTemplates = (fast: Cost, slow: Cost) => {
    const counted = (f32: number) => ({ workgroups: 10, each: { f32 }, bytes: { l2: 0, memory: 0 } });
    return kernelTemplates(two, {
      configs: () => [
        { variant: "fast", width: 16, depth: 1 },
        { variant: "slow", width: 16, depth: 1 },
      ],
      values: { fast: () => ({}), slow: () => ({}) },
      cost: {
        fast: (_, { width, depth }) => counted(fast(width, depth)),
        slow: (_, { width, depth }) => counted(slow(width, depth)),
      },
    });
  };
  const fast = { ...device, name: "fast", features: ["fast"] };
  const problems = [
    { ...problem, device: fast },
    { ...problem, device: { ...device, name: "any" } },
  ];
  const configs = (fastest: Cost, slowest: Cost, circumstances: Circumstances = unmeasured) =>
    chooseTogether(problems, twoTemplates(fastest, slowest), circumstances).map(({ config }) => config);

  it("gives kernels of one grid the tile of the first kind's cheapest", () => {
    const chosen = configs(
      (width) => 4e6 / width,
      (width) => 1e6 * width,
    );
    expect(chosen).toEqual([
      { variant: "fast", width: 32, depth: 1 },
      { variant: "slow", width: 32, depth: 1 },
    ]);
  });

  it("takes another tile that costs the first kind next to nothing, where it costs the others less", () => {
    const [first, second] = configs(
      (width) => (width === 32 ? 1e6 : width === 8 ? 1.03e6 : 3e6),
      (width) => 1e6 * width,
    );
    expect([first?.width, second?.width]).toEqual([8, 8]);
  });

  it("lets each kind have its own tile where each kernel has its grid", () => {
    const [first, second] = configs(
      (width) => 4e6 / width,
      (width) => 1e6 * width,
      { ...unmeasured, oneGrid: false },
    );
    expect([first?.width, second?.width]).toEqual([32, 8]);
  });

  it("gives the same kernel to kinds that run each other's: the one that costs all of them least", () => {
    // What needs nothing is the cheapest for both, in different forms.
    const uneven = { ...device, name: "uneven", speed: { ...speed, units: 3 } };
    const templates = kernelTemplates(two, {
      configs: () => [{ variant: "slow", width: 16, depth: 1 }],
      values: { fast: () => ({}), slow: () => ({}) },
      cost: {
        slow: (_, { depth }, { device: { name } }) => ({
          workgroups: 10,
          each: { f32: (name === "uneven") === (depth === 1) ? 2e6 : 1e6 },
          bytes: { l2: 0, memory: 0 },
        }),
      },
    });
    const chosen = chooseTogether(
      [
        { ...problem, device: fast },
        { ...problem, device: uneven },
      ],
      templates,
      {
        measured: [undefined, undefined],
        oneGrid: false,
      },
    );
    // 10 workgroups are one round of 10 units and four of 3.
    expect(chosen.map(({ config }) => config.depth)).toEqual([2, 2]);
    expect(chosen[0]?.reason).toBe("the same as for uneven, which runs it too");
  });

  it("keeps what was measured, and its tile", () => {
    const measured = { variant: "slow", width: 8, depth: 2 };
    const chosen = configs(
      (width) => 4e6 / width,
      (width) => 1e6 * width,
      { measured: [undefined, measured], oneGrid: true },
    );
    expect(chosen).toEqual([{ variant: "fast", width: 8, depth: 1 }, measured]);
  });

  it("keeps the family's order where a kind's costs are not known", () => {
    const unknown = [problems[0], { ...problem, device: { ...device, speed: null } }] as typeof problems;
    const chosen = chooseTogether(
      unknown,
      twoTemplates(
        () => 1e6,
        () => 1e6,
      ),
      unmeasured,
    );
    expect(chosen.map(({ config }) => config.width)).toEqual([16, 16]);
  });
});
