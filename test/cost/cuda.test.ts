import { describe, expect, it } from "vitest";
import { launchOf } from "../../ir/families/launch/form.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { targetByName } from "../../targets/index.js";
import { bestOf, candidatesOf } from "../../templates/choice/choose.js";
import { consider, costOf } from "../../templates/choice/consider.js";
import { residentBlocks } from "../../templates/choice/cuda-occupancy.js";
import { TEMPLATES } from "../../templates/families.js";
import { defineKernel, type FamilyParams } from "../../templates/index.js";

type Linear = FamilyParams["ternary-gemm"];

const plain = { activation: "none", bias: true, gated: false, activations: "i8" } as const;
const gated = { ...plain, gated: true } as const;
const heads = { headDim: 128, columns: 6144, epsilon: 1e-6 };

function problemOf(name: string, params: Linear, rows: number) {
  const target = targetByName(name);
  const device = deviceKinds(target)[0] ?? expect.fail();
  return { family: "ternary-gemm", params, rows: [rows], device };
}

const linears = TEMPLATES["ternary-gemm"].cuda;

/** The fitting candidates, the family's first in front, and what is taken of them. */
function chosen(name: string, params: Linear, rows: number) {
  const problem = problemOf(name, params, rows);
  const fitting = candidatesOf(problem, linears).filter(({ rejected }) => rejected === null);
  const best = bestOf(fitting, problem.device.speed?.doubt);
  return { fitting, first: fitting[0], best };
}

/**
 * Kernels of FLUX.1-dev at 1024x1024 on an H200, and microseconds by a count of their machine code (nvcc 13, an in-order model of issue with
 * assumed latencies, 1.70 GHz), which is itself good to a quarter; no GPU has run them.
 */
const COUNTED: readonly (readonly [string, Linear, rows: number, microseconds: number])[] = [
  ["q, k and v with heads", { ...plain, n: 9216, k: 3072, heads, out: "bf16" }, 4608, 245],
  ["up", { ...plain, n: 12_288, k: 3072, activation: "gelu-tanh", out: "bf16" }, 4608, 255],
  ["down of single blocks", { ...gated, n: 3072, k: 15_360 }, 4608, 295],
  ["down", { ...gated, n: 3072, k: 12_288 }, 4096, 207],
  ["out", { ...gated, n: 3072, k: 3072 }, 4096, 67],
];

describe("linears on an H200", () => {
  it.each(COUNTED)(
    "%s take what a count of instructions says, in the form that it was made for",
    (_, params, rows, counted) => {
      const { first, best } = chosen("h200", params, rows);
      const microseconds = (first?.cost?.seconds ?? Number.NaN) * 1e6;
      expect(microseconds / counted).toBeGreaterThan(0.9);
      expect(microseconds / counted).toBeLessThan(1.1);
      expect(best).toBe(first);
      expect(best?.config).toMatchObject({ variant: "int8-hopper", consumers: 2, tokens: 128, stages: 6 });
    },
  );

  it("take longer with heads than without, by what the end takes", () => {
    const [, params, rows] = COUNTED[0] ?? expect.fail();
    const { heads: _, ...without } = params;
    const problem = problemOf("h200", params, rows);
    const config = linears.configs(problem)[0] ?? expect.fail();
    const slow = costOf(problem, linears, config)?.seconds ?? Number.NaN;
    const fast = costOf(problemOf("h200", without, rows), linears, config)?.seconds ?? Number.NaN;
    expect(slow / fast).toBeGreaterThan(1.1);
  });
});

describe("attention on an H200", () => {
  it("takes about 475 us at 4608 tokens, by the same count 440 to 510, in tiles of 128 keys", () => {
    const device = deviceKinds(targetByName("h200"))[0] ?? expect.fail();
    const params = { heads: 24, headDim: 128, scale: 0.088, storage: "bf16" } as const;
    const problem = { family: "attention", params, rows: [4608], device };
    const fitting = candidatesOf(problem, TEMPLATES.attention.cuda).filter(
      ({ rejected }) => rejected === null,
    );
    const best = bestOf(fitting, device.speed?.doubt);
    expect(best?.config).toEqual({ variant: "hopper", groups: 2, keys: 128, stages: 2 });
    const microseconds = (best?.cost?.seconds ?? Number.NaN) * 1e6;
    expect(microseconds).toBeGreaterThan(440);
    expect(microseconds).toBeLessThan(510);
  });
});

describe("linears of few rows", () => {
  it.each(["t4", "a100", "rtx-4090", "h200"])("take tiles of few tokens on %s, and less time", (name) => {
    const { first, best } = chosen(name, { ...plain, n: 18_432, k: 3072 }, 1);
    expect(best).not.toBe(first);
    expect(16 * Number(best?.config.groupsT) * Number(best?.config.warpsT)).toBeLessThan(64);
    expect((first?.cost?.seconds ?? 0) / (best?.cost?.seconds ?? 1)).toBeGreaterThan(1.3);
  });
});

describe("inputs of a row", () => {
  const splitOf = (params: Linear, rows: number) => {
    const { fitting, best } = chosen("h200", params, rows);
    const whole = fitting.filter(({ config, cost }) => cost !== null && config.split === 1);
    const least = Math.min(...whole.map(({ cost }) => cost?.seconds ?? Number.NaN));
    return { split: best?.config.split, gain: least / (best?.cost?.seconds ?? Number.NaN) };
  };

  it("are shared by blocks of a cluster where tiles are fewer than multiprocessors and rows are long", () => {
    for (const [rows, gain] of [
      [64, 1.5],
      [1024, 1.1],
    ] as const) {
      const found = splitOf({ ...gated, n: 3072, k: 12_288 }, rows);
      expect(found.split).toBeGreaterThan(1);
      expect(found.gain).toBeGreaterThan(gain);
    }
    expect(splitOf({ ...gated, n: 3072, k: 12_288 }, 4608).split).toBe(1);
    expect(splitOf({ ...plain, n: 12_288, k: 3072 }, 512).split).toBe(1);
  });

  it("are not where groups of them have a scale each, or where there are few", () => {
    const rejected = (params: Linear) =>
      candidatesOf(problemOf("h200", params, 64), linears).map((candidate) => candidate.rejected ?? "");
    expect(rejected({ ...plain, n: 3072, k: 12_288, group: 128 }).join("; ")).toMatch(
      /groups of inputs are added in order/,
    );
    expect(rejected({ ...plain, n: 3072, k: 1024 }).join("; ")).toMatch(
      /rows are 8 times 128 inputs, and 8 blocks that share them take 16/,
    );
  });
});

describe("loads for other blocks of a cluster", () => {
  it("have no costs, and are candidates where channels are more than a tile and have one scale each", () => {
    const { fitting } = chosen("h200", { ...plain, n: 3072, k: 3072 }, 4608);
    const multicast = fitting.filter(({ config }) => config.multicast === 2);
    expect(multicast.length).toBeGreaterThan(20);
    expect(multicast.every(({ cost }) => cost === null)).toBe(true);
    const few = chosen("h200", { ...plain, n: 128, k: 3072 }, 4608).fitting;
    const groups = chosen("h200", { ...plain, n: 3072, k: 3072, group: 128 }, 4608).fitting;
    expect([...few, ...groups].some(({ config }) => config.multicast === 2)).toBe(false);
  });
});

describe("reasons against candidates", () => {
  it("name shared memory, registers, room for threads, and what does not divide", () => {
    const reasons = ["rtx-4090", "t4"].flatMap((name) =>
      candidatesOf(problemOf(name, { ...plain, n: 3072, k: 3072 }, 4096), linears).map(
        ({ rejected }) => rejected ?? "",
      ),
    );
    for (const reason of [
      /bytes of shared memory, and a multiprocessor has 102400/,
      /about \d+ registers a thread, and \d blocks of \d+ threads leave it \d+/,
      /of about \d+ registers a thread \d blocks fit anyway/,
      /threads load \d+ rows at a time, and \d+ are no multiple/,
      /warps, and it takes 2 to 8/,
      /needs sm_90a/,
    ])
      expect(
        reasons.some((text) => reason.test(text)),
        String(reason),
      ).toBe(true);
  });

  it("are not those of the family's own choice anywhere", () => {
    for (const name of ["t4", "a100", "a10", "l40s", "rtx-4090", "h200", "b200", "rtx-5090"]) {
      for (const group of [undefined, 128] as const) {
        const { fitting } = chosen(name, { ...plain, n: 3072, k: 3072, ...(group && { group }) }, 4096);
        const own = linears.configs(
          problemOf(name, { ...plain, n: 3072, k: 3072, ...(group && { group }) }, 4096),
        );
        expect(own.map((config) => config.variant)).toContain(fitting[0]?.config.variant);
      }
    }
  });
});

describe("residentBlocks", () => {
  const facts = deviceKinds(targetByName("a100"))[0]?.cuda?.facts ?? expect.fail();
  const block = { workgroup: [256, 1, 1], sharedBytes: 0, blocks: 1, registers: 64 } as const;
  it.each([
    { what: "registers", given: block, blocks: 4 },
    { what: "shared memory", given: { ...block, sharedBytes: 80 * 1024 }, blocks: 2 },
    { what: "threads", given: { ...block, workgroup: [1024, 1, 1] as const, registers: 16 }, blocks: 2 },
    { what: "what it is compiled for", given: { ...block, registers: 200, blocks: 2 }, blocks: 2 },
  ])("is bound by $what", ({ given, blocks }) => {
    expect(residentBlocks(given, facts)).toBe(blocks);
  });
});

describe("products in tf32", () => {
  const conv: FamilyParams["image-conv"] = {
    ...{ n: 512, c: 512, kernelY: 3, kernelX: 3, stride: 1, top: 1, left: 1, upsample: 1 },
    ...{ bias: true, residual: false, products: "tf32" },
  };
  const dense: FamilyParams["dense-gemm"] = {
    ...{ activation: "none", bias: true, gated: false, products: "tf32", n: 768, k: 3072 },
  };
  const deviceOf = (name: string) => deviceKinds(targetByName(name))[0] ?? expect.fail();
  /** The least that configs of a variant take. */
  const least = (candidates: ReturnType<typeof candidatesOf>, variant: string) =>
    Math.min(
      ...candidates.flatMap(({ config, cost }) => (config.variant === variant ? (cost?.seconds ?? []) : [])),
    );

  it.each([
    // Dense products of tf32 by the vendor, and what instructions of warps reach of it at most.
    ["a100", 156e12, 1],
    ["h200", 495e12, 0.62],
    ["rtx-4090", 82.6e12, 1],
  ])(
    "of a VAE's convolution on %s take somewhat more than at the peak, in the family's tiles",
    (name, peak, share) => {
      const device = deviceOf(name);
      const problem = { family: "image-conv", params: conv, rows: [65_536], device };
      const candidates = candidatesOf(problem, TEMPLATES["image-conv"].cuda);
      const floor = (2 * 65_536 * 512 * 512 * 9) / (peak * share);
      const best = bestOf(candidates, device.speed?.doubt);
      expect(best).toBe(candidates.find(({ rejected }) => rejected === null));
      expect(best?.config).toMatchObject({ variant: "tf32", groupsM: 4, groupsN: 8 });
      expect((best?.cost?.seconds ?? Number.NaN) / floor).toBeGreaterThan(1);
      expect((best?.cost?.seconds ?? Number.NaN) / floor).toBeLessThan(1.6);
    },
  );

  it("of few rows take smaller tiles, and less time than those of f32", () => {
    const of = (params: FamilyParams["dense-gemm"], rows: number, name = "h200") => {
      const device = deviceOf(name);
      const problem = { family: "dense-gemm", params, rows: [rows], device };
      const candidates = candidatesOf(problem, TEMPLATES["dense-gemm"].cuda);
      return { candidates, best: bestOf(candidates, device.speed?.doubt) };
    };
    const { products: _, ...exact } = dense;
    const { candidates, best } = of(dense, 77);
    expect(best?.config.variant).toBe("tf32");
    expect(best?.cost?.seconds).toBe(least(candidates, "tf32"));
    expect(least(of(exact, 77).candidates, "tiled") / least(candidates, "tf32")).toBeGreaterThan(2);
    // Where both are allowed f32 is not weighed against it, but for the fewest rows and where there is no tf32.
    expect(least(candidates, "tiled")).toBe(Number.POSITIVE_INFINITY);
    expect(of(dense, 1).best?.config.variant).toBe("tiled");
    expect(of(dense, 77, "t4").best).toMatchObject({ config: { variant: "tiled" }, cost: expect.anything() });
    expect(of(exact, 77).best?.config.variant).toBe("tiled");
  });

  it("count what unpacking narrow weights takes, and the bytes that it saves", () => {
    const device = deviceOf("a100");
    const { forms, cost, configs } = TEMPLATES["dense-gemm"].cuda;
    const config = configs({ family: "dense-gemm", params: dense, rows: [4096], device })[0] ?? expect.fail();
    const countsOf = (params: FamilyParams["dense-gemm"]) => {
      const launch = launchOf(forms, params, config);
      const speed = device.speed ?? expect.fail();
      return cost?.(params, config, { rows: 512, launch, device, speed }) ?? expect.fail();
    };
    const [whole, narrow] = [countsOf(dense), countsOf({ ...dense, held: "bf16" })];
    // Two instructions for each of 128 x 3072 weights, of a warp for 32 of them.
    expect((narrow.each.issue ?? 0) - (whole.each.issue ?? 0)).toBe((2 * 128 * 3072) / 32);
    expect(whole.bytes.memory - narrow.bytes.memory).toBe(2 * 768 * 3072);
    expect(narrow.each.tensorF16).toBe(whole.each.tensorF16);
  });
});

describe("tiles of floats", () => {
  // What nvcc 13.0 was seen to spill some bytes of, on one of these architectures at least.
  const SPILLING = [
    { threadsX: 16, threadsY: 16, groupsM: 2, groupsN: 2, stage: 8, blocks: 2 },
    { threadsX: 16, threadsY: 8, groupsM: 2, groupsN: 2, stage: 8, blocks: 4 },
    { threadsX: 16, threadsY: 4, groupsM: 2, groupsN: 1, stage: 32, blocks: 8 },
    { threadsX: 16, threadsY: 8, groupsM: 2, groupsN: 1, stage: 8, blocks: 6 },
    { threadsX: 16, threadsY: 16, groupsM: 1, groupsN: 1, stage: 32, blocks: 4 },
  ];
  const dense = { n: 3072, k: 4096, activation: "none", bias: true, gated: false } as const;
  it.each(["t4", "rtx-4090", "h100"])("take no more registers than %s has for them", (name) => {
    const device = deviceKinds(targetByName(name))[0] ?? expect.fail();
    const templates = TEMPLATES["dense-gemm"].cuda;
    const faultOf = (config: object, params: FamilyParams["dense-gemm"] = dense) =>
      consider({ family: "dense-gemm", params, rows: [512], device }, templates, {
        variant: "tiled",
        ...config,
      }).rejected;
    for (const config of SPILLING)
      expect(faultOf(config), JSON.stringify(config)).toMatch(/registers a thread/);
    // Unpacking takes some, too.
    const close = { threadsX: 16, threadsY: 16, groupsM: 1, groupsN: 1, stage: 16, blocks: 4 };
    expect(faultOf(close)).toBeNull();
    expect(faultOf(close, { ...dense, held: "int4" })).toMatch(/registers a thread/);
  });

  it("are there for few columns of narrow weights, where rows are not known", () => {
    const params = { ...dense, n: 64, held: "int8" } as const;
    const { config } = defineKernel("dense-gemm", params, targetByName("rtx-3090")).kernel;
    expect(config).toMatchObject({ variant: "tiled", blocks: 6 });
  });
});
