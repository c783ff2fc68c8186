/** Costs of kernels that go over their operands: rows, elements, tables. */
import { describe, expect, it } from "vitest";
import { lanesFeature, matrixFeature, SUBGROUP_MATRIX } from "../../ir/families/launch/features.js";
import { launchOf, roundingOf } from "../../ir/families/launch/form.js";
import type { Language } from "../../ir/program/program.js";
import { type DeviceKind, deviceKinds } from "../../targets/device-kind.js";
import { targetByName } from "../../targets/index.js";
import { bestOf, candidatesOf } from "../../templates/choice/choose.js";
import type { Counts } from "../../templates/choice/cost.js";
import type { Problem } from "../../templates/choice/problem.js";
import { TEMPLATES } from "../../templates/families.js";
import type { Family, FamilyParams, KernelDefinition } from "../../templates/index.js";
import { configsFor, costsFor, defineKernel } from "../../templates/index.js";

const kindOf = (target: string, index = 0): DeviceKind =>
  deviceKinds(targetByName(target))[index] ?? expect.fail();

interface Case<F extends Family> {
  readonly family: F;
  readonly params: FamilyParams[F];
  readonly rows: number;
  readonly scalars?: readonly number[];
}

const problemOf = <F extends Family>({ family, params, rows, scalars }: Case<F>, device: DeviceKind) =>
  ({
    ...{ family, params, rows: [rows], device },
    ...(scalars && { scalars: new Map([[rows, scalars]]) }),
  }) as Problem<FamilyParams[F]>;

/** Counts with the family's first config that a device takes, or with another. */
function countsOf<F extends Family>(
  of: Case<F>,
  device: DeviceKind,
  language: Language,
  other: object = {},
): Counts {
  const templates = TEMPLATES[of.family][language];
  const [first] = templates.configs(problemOf(of, device));
  const config = { ...(first ?? expect.fail()), ...other };
  const launch = launchOf(templates.forms, of.params, config);
  const { rows, scalars } = of;
  const launched = { rows, scalars, launch, device, speed: device.speed ?? expect.fail() };
  return templates.cost?.(of.params, config, launched) ?? expect.fail();
}

describe("counts", () => {
  const norm = {
    family: "layer-norm",
    params: { c: 3072, epsilon: 1e-6, scale: true, bias: false },
    rows: 512,
  } as const;
  const once = 4 * 3072 * (512 + 1 + 512);

  it("have every byte once from memory, and what passes read again from a cache that holds a row", () => {
    for (const [target, language] of [
      ["cpu", "wat"],
      ["webgpu", "wgsl"],
      ["a100", "cuda"],
    ] as const) {
      expect(countsOf(norm, kindOf(target), language).bytes.memory, target).toBe(once);
    }
    // Rows of 12 KiB with a vector and a result are more than a first-level cache; two passes and a vector for each row but the first.
    expect(countsOf(norm, kindOf("cpu"), "wat").bytes.l2).toBe(4 * 3072 * (2 * 512 + 511));
    const short = { ...norm, params: { ...norm.params, c: 1024 } };
    expect(countsOf(short, kindOf("cpu"), "wat").bytes.l2).toBe(0);
    const device = kindOf("a100");
    const again = { group: 1024, threads: 1024, blocks: 1, held: false };
    const [held, streamed] = [{}, again].map((config) => countsOf(norm, device, "cuda", config).bytes.l2);
    expect((streamed ?? 0) - (held ?? 0)).toBe(2 * 4 * 3072 * 512);
  });

  it("have loads of every invocation of WGSL, and turns in which some have none", () => {
    const device = kindOf("webgpu");
    const quantize = (c: number) =>
      countsOf({ family: "quantize-rows", params: { c }, rows: 10 }, device, "wgsl");
    // Two passes over 128 elements and 32 words of codes, a scale and a sum, by two subgroups.
    expect(quantize(128).each.loads).toBeCloseTo((2 * 128 + 32 + 2) / 32, 9);
    // 65 elements take two turns of 64 as well.
    expect(quantize(65).each.loads).toBeCloseTo(((2 * 65 + 20 + 2) / 32) * (128 / 65), 9);
  });

  it("share heads out to invocations: all of them where heads are few and wide", () => {
    const device = kindOf("webgpu");
    const flags = { norm: true, epsilon: 1e-6, weight: false, rope: true } as const;
    const cost = (heads: number, headDim: number) =>
      costsFor(
        "qk-norm-rope",
        { heads, headDim, ...flags },
        { target: targetByName("webgpu"), device, rows: [4096] },
      );
    const cheapest = (heads: number, headDim: number) =>
      cost(heads, headDim).reduce((a, b) => ((b.cost?.seconds ?? 0) < (a.cost?.seconds ?? 0) ? b : a)).config
        .lanes;
    expect(cheapest(1, 3072)).toBe(64);
    expect(cheapest(24, 64)).toBe(16);
  });

  it("are known of what reads lengths from scalars, once these are", () => {
    const softmax = { family: "softmax", params: { log: false }, rows: 96 } as const;
    for (const [target, language] of [
      ["cpu", "wat"],
      ["webgpu", "wgsl"],
      ["a100", "cuda"],
    ] as const) {
      const device = kindOf(target);
      const [unknown] = candidatesOf(problemOf(softmax, device), TEMPLATES.softmax[language]);
      const [known] = candidatesOf(
        problemOf({ ...softmax, scalars: [300] }, device),
        TEMPLATES.softmax[language],
      );
      expect([target, unknown?.cost, known?.cost?.launches[0]?.rows]).toEqual([target, null, 96]);
    }
  });
});

describe("choices", () => {
  it("of processors: as many tiles as threads gain by", () => {
    const device = kindOf("cpu");
    const rowsOf = (c: number, rows: number) => {
      const of = { family: "adaln-quantize", params: { c, epsilon: 1e-6 }, rows } as const;
      return bestOf(candidatesOf(problemOf(of, device), TEMPLATES["adaln-quantize"].wat))?.config.rows;
    };
    // The family's, of 4096 elements, where there are rows for many chunks anyway.
    expect([rowsOf(256, 4096), rowsOf(3072, 4096)]).toEqual([16, 1]);
    // All 16 rows of a tile would be one thread's.
    expect(rowsOf(256, 16)).toBeLessThanOrEqual(4);
    // Of short rows more than one, or chunks would be of next to nothing.
    expect(rowsOf(64, 28)).toBeGreaterThan(1);
    expect(rowsOf(64, 28)).toBeLessThan(28);
  });

  it("of CUDA: keep the order of sums, so that rows are the same with and without quantization", () => {
    for (const name of ["t4", "a100", "h200", "rtx-4090"]) {
      const device = kindOf(name);
      for (const c of [3072, 6144, 15_360]) {
        for (const rows of [1, 77, 4608]) {
          const params = { c, epsilon: 1e-6 };
          const chosen = (["adaln", "adaln-quantize"] as const).map((family) => {
            const templates = TEMPLATES[family].cuda;
            const candidates = candidatesOf(problemOf({ family, params, rows }, device), templates);
            const orders = new Set(
              candidates.map(({ config }) => roundingOf(templates.forms, params, config)),
            );
            expect(orders.size).toBe(1);
            return bestOf(candidates, device.speed?.doubt)?.config.group;
          });
          expect(chosen[0], `${name}, ${c} channels, ${rows} rows`).toBe(chosen[1]);
        }
      }
    }
  });

  it("of CUDA: more threads for few rows, where nothing is added", () => {
    const device = kindOf("h200");
    const of = (rows: number) =>
      ({ family: "group-norm", params: { c: 512, activation: "silu" }, rows }) as const;
    const threads = (rows: number) => {
      const { configs, ...templates } = TEMPLATES["group-norm"].cuda;
      const config = bestOf(
        candidatesOf(problemOf(of(rows), device), { configs, ...templates }),
        0.1,
      )?.config;
      return Number(config?.threads) / Number(config?.rows);
    };
    expect(threads(28)).toBeGreaterThan(threads(65_536));
  });
});

describe("what the tuner tries", () => {
  const target = targetByName("cpu");
  const device = kindOf("cpu");

  it("is in the order of costs, by the scalars of launches too", () => {
    const of = { family: "softmax", params: { log: false }, rows: 16 } as const;
    const scalars = new Map([[16, [4096]]]);
    const rowsOf = (known?: typeof scalars) =>
      configsFor(of.family, of.params, { target, device, rows: [16], scalars: known }).map(
        ({ rows }) => rows,
      );
    // Where lengths are not known, the family's first, and then as they come.
    expect(rowsOf()).toEqual([8, 1, 2, 4, 16, 32, 64]);
    const costs = costsFor(of.family, of.params, { target, device, rows: [16], scalars });
    const seconds = new Map(costs.map(({ config, cost }) => [config.rows, cost?.seconds ?? Number.NaN]));
    const inOrder = rowsOf(scalars).map((rows) => seconds.get(Number(rows)) ?? Number.NaN);
    expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
    // 16 long rows are worth two chunks for each of eight threads.
    expect(rowsOf(scalars)[0]).toBeLessThanOrEqual(2);
  });

  it("has what costs nobody knows at the end", () => {
    const cuda = targetByName("a100");
    const params = { ...{ heads: 2, headDim: 64, scale: 0.125 }, storage: "bf16" } as const;
    const all = configsFor("attention", params, { target: cuda, device: kindOf("a100"), rows: [512] });
    const variants = all.map(({ variant }) => variant);
    expect(new Set(variants)).toEqual(new Set(["mma", "simt"]));
    expect(variants.indexOf("simt")).toBeGreaterThan(variants.lastIndexOf("mma"));
  });
});

describe("matrices of subgroups", () => {
  const plain = { activation: "none", bias: true, gated: false } as const;
  const params = { ...plain, n: 3072, k: 3072, activations: "i8" } as const;
  const features = [SUBGROUP_MATRIX, matrixFeature("i8", "16x16x32"), lanesFeature(32)];
  const gpu = kindOf("webgpu");
  const device = { ...gpu, features: [...gpu.features, ...features] };
  const target = targetByName("webgpu");
  const chainOf = (definition: KernelDefinition | null): readonly string[] =>
    definition === null ? [] : [definition.kernel.config.variant, ...chainOf(definition.fallback)];

  it("have costs, by which their tiles differ, and are not taken unmeasured", () => {
    const costs = costsFor("ternary-gemm", params, { target, device, rows: [4096] });
    const matrices = costs.filter(({ config, rejected }) => config.variant === "matrix" && rejected === null);
    expect(matrices.length).toBeGreaterThan(20);
    const seconds = matrices.map(({ cost }) => cost?.seconds ?? Number.NaN);
    expect(seconds.every((one) => one > 0)).toBe(true);
    expect(Math.max(...seconds) / Math.min(...seconds)).toBeGreaterThan(1.5);
    const cheapest = costs.reduce((a, b) => ((b.cost?.seconds ?? 1) < (a.cost?.seconds ?? 1) ? b : a));
    expect(cheapest.config.variant).toBe("matrix");
    expect(bestOf(costs)?.config.variant).toBe("int8-packed");
    // With blocks of more matrices, fewer of them pass through workgroup memory.
    const { cost: small } = matrices.find(({ config }) => isOf(config, 1, 1)) ?? expect.fail();
    const { cost: large } = matrices.find(({ config }) => isOf(config, 2, 2)) ?? expect.fail();
    expect(large?.seconds).toBeLessThan(small?.seconds ?? 0);
  });

  it("are multiplied as often as tiles have products", () => {
    const templates = TEMPLATES["ternary-gemm"].wgsl;
    const config = templates
      .configs(problemOf({ family: "ternary-gemm", params, rows: 4096 }, device))
      .find(({ variant }) => variant === "matrix");
    const launch = launchOf(templates.forms, params, config ?? expect.fail());
    const odd = { ...params, k: 3100 };
    const launched = { rows: 100, launch, device, speed: device.speed ?? expect.fail() };
    const counts = templates.cost?.(odd, config ?? expect.fail(), launched) ?? expect.fail();
    let operations = 0;
    const [columns, rows] = launch.tile;
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) for (let k = 0; k < 3100; k += 32) operations += 64;
    expect(counts.each.tensorInt8).toBe(operations);
    expect(counts.workgroups).toBe(Math.ceil(100 / rows) * (3072 / columns));
  });

  it("are taken where they were measured", () => {
    const [measured] = configsFor("ternary-gemm", params, { target, device, rows: [4096] }).filter(
      ({ variant }) => variant === "matrix",
    );
    expect(chainOf(defineKernel("ternary-gemm", params, target, [4096]))).not.toContain("matrix");
    const taken = defineKernel("ternary-gemm", params, target, [4096], ({ device: { name } }) =>
      name === "GPU" ? measured : undefined,
    );
    expect(chainOf(taken)[0]).toBe("matrix");
  });
});

function isOf(config: Readonly<Record<string, unknown>>, blocksM: number, blocksN: number): boolean {
  const { subgroupsX, subgroupsY, stage } = config;
  return (
    config.blocksM === blocksM &&
    config.blocksN === blocksN &&
    subgroupsX === 2 &&
    subgroupsY === 2 &&
    stage === 32
  );
}
