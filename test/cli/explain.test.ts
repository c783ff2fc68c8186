/** `tritc compile --explain`: why each kernel is as it is, as text, as JSON and in a dump. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import type { KernelChoice } from "../../compiler/choices.js";
import type { CompileReport } from "../../compiler/compile-report.js";
import { evaluateDim } from "../../ir/dim.js";
import { stepLaunches } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import { cli } from "../support/cli.js";

const model = join(import.meta.dirname, "..", "models", "shapes-ternary", "transformer", "model.onnx");
const folder = mkdtempSync(join(tmpdir(), "tritc-explain-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

async function compile(target: string, ...more: readonly string[]): Promise<string> {
  const out = join(folder, `${target}${more.join("")}`.replaceAll(/[^a-z0-9]/g, "-"));
  const argv = ["compile", model, "--target", target, "--emit", "source", "-o", out, ...more];
  const { code, stdout, stderr } = await cli(argv);
  expect(code, stderr).toBe(0);
  return stdout;
}

async function choicesOf(target: string, ...more: readonly string[]): Promise<readonly KernelChoice[]> {
  return JSON.parse(await compile(target, "--json", "--explain", ...more)).choices;
}

/** The choices of the first kernel of a family, by device. */
function ofFamily(choices: readonly KernelChoice[], family: string): Readonly<Record<string, KernelChoice>> {
  const first = choices.find((choice) => choice.family === family);
  const same = choices.filter(
    (choice) =>
      choice.family === family && JSON.stringify(choice.params) === JSON.stringify(first?.params ?? null),
  );
  return Object.fromEntries(same.map((choice) => [choice.device, choice]));
}

describe("compile --explain", () => {
  it("of the CPU: one kernel for relaxed SIMD, one for any engine, and the rows of both pictures", async () => {
    const text = await compile("cpu", "--explain", "--resolution", "64x64,128x64");
    expect(text).toMatch(
      /^ternary-gemm-256x768-\S+, rows 544, 528, 512, 50, 32, 16\n {2}relaxed-simd: int8-relaxed tileN \d+ tileM \d+ rows \d \(the .* of 192 that fit.*\)$/m,
    );
    // What launches take by the model and why, the next best, and how many are left.
    expect(text).toMatch(
      /^ {4}by 8 threads of 3\.5 GHz: 544 rows [\d.]+ [mµ]s \(\w+, [\d.]+ waves.*\), 528 rows .*\), 16 rows [\d.]+ µs \(.*\)$/m,
    );
    expect(text).toMatch(/^ {4}int8-relaxed tileN \d+ tileM \d+ rows \d: \d\.\d\d times as long$/m);
    expect(text).toMatch(/^ {4}and 186 more that fit$/m);
    // Rows that several kinds of engines go over alike; what runs once, at load, without a cost of its own; and the whole.
    expect(text).toMatch(
      /^adaln-quantize-c256, rows 544.*\n {2}relaxed-simd, any engine: .*\n {4}by 8 threads of 3\.5 GHz: 544 rows [\d.]+ µs \(issue, [\d.]+ waves\)/m,
    );
    expect(text).toMatch(
      /^unpack-trits-256x\d+-i8, rows \d+\n {2}relaxed-simd, any engine: .*\n {4}at least, by operations and bytes on 8 threads of 3\.5 GHz: \d+ rows [\d.]+ µs \(\w+\)/m,
    );
    expect(text).toMatch(
      /^a step of 64x64 by the cost model\n {2}relaxed-simd, 8 threads of 3\.5 GHz: [\d.]+ ms; bound by issue \d+%, .*; .*ternary-gemm \d+%.*\n {2}any engine, .*\na step of 128x64 by the cost model$/m,
    );
    expect(text).toMatch(/^ {2}any engine: int8 tileN \d+ tileM \d+ rows \d \(.* that fit.*\)$/m);
    expect(text).toMatch(/^ {4}int8-relaxed tileN \d+ tileM \d+ rows \d: needs relaxed-simd$/m);
  });

  it("of WebGPU: what real GPUs take, and what any adapter does", async () => {
    const { GPU, "any adapter": any } = ofFamily(await choicesOf("webgpu"), "attention");
    expect(GPU?.config).toEqual({ variant: "flash-vectors", block: 4, valueChunks: 2, operands: "f32" });
    expect(GPU?.cost?.launches.map(({ rows }) => rows)).toEqual(GPU?.rows);
    expect(GPU?.cost?.launches[0]).toMatchObject({ bound: "issue", filled: expect.any(Number) });
    // The cheapest first, each dearer than the one before it.
    const seconds = GPU?.candidates.flatMap(({ cost }) => cost?.seconds ?? []) ?? [];
    expect(seconds.length).toBeGreaterThan(1);
    expect(seconds.slice(1)).toEqual(seconds.slice(1).toSorted((a, b) => a - b));
    expect(any).toMatchObject({
      config: { variant: "rows", rows: 32 },
      speed: "8 threads of 3.5 GHz",
      fitting: expect.any(Number),
      rejected: { "needs hardware": expect.any(Number) },
    });
    expect(any?.candidates.map(({ config, rejected }) => [config.variant, rejected])).toContainEqual([
      "flash",
      "needs hardware",
    ]);
  });

  it("of a step: the sum over its launches, each with its cost or the least that it takes", async () => {
    const out = join(folder, "step");
    const argv = ["compile", model, "--target", "webgpu", "--emit", "source", "-o", out];
    const { stdout, stderr } = await cli([...argv, "--json", "--explain", "--resolution", "64x64,128x64"]);
    expect(stderr).not.toContain("error");
    const { choices, stepEstimates }: Pick<CompileReport, "choices" | "stepEstimates"> = JSON.parse(stdout);
    for (const { kernel, cost, atLeast } of choices) expect(cost ?? atLeast, kernel).not.toBeNull();
    expect(choices.filter(({ cost, atLeast }) => cost !== null && atLeast !== null)).toEqual([]);
    expect(stepEstimates.map(({ resolution, device }) => [resolution?.width, device])).toEqual([
      [64, "GPU"],
      [64, "any adapter"],
      [128, "GPU"],
      [128, "any adapter"],
    ]);
    const program: Program = JSON.parse(readFileSync(join(out, "program.json"), "utf8"));
    for (const { resolution, device, seconds, bounds, families } of stepEstimates) {
      const sizes = { img_tokens: (resolution?.width ?? 0) / 4, txt_tokens: 512, steps: 50 };
      const sum = stepLaunches(program).reduce((total, { kernel, rows }) => {
        const choice = choices.find(
          (one) => one.device === device && [kernel, `${kernel}-fallback`].includes(one.kernel),
        );
        const known = choice?.cost?.launches ?? choice?.atLeast ?? [];
        const own = known.find((one) => one.rows === evaluateDim(rows, sizes));
        return total + (own?.seconds ?? Number.NaN);
      }, 0);
      expect(seconds / sum).toBeCloseTo(1, 2);
      for (const parts of [bounds, families]) {
        const all = Object.values(parts);
        expect(all.reduce((total, part) => total + part, 0)).toBeCloseTo(seconds, 9);
        expect(all).toEqual(all.toSorted((a, b) => b - a));
      }
    }
  });

  it("of several architectures: a choice for each, with what it lacks", async () => {
    vi.stubEnv("TRITC_DUMP", join(folder, "dump"));
    const choices = await choicesOf("cuda-portable");
    const attention = ofFamily(choices, "attention");
    const variants = Object.entries(attention).map(([name, { config }]) => [
      name,
      config.variant,
      config.from,
    ]);
    expect(Object.fromEntries(variants.map(([name, ...rest]) => [name, rest]))).toEqual({
      sm_75: ["mma", "sm_75"],
      sm_80: ["mma", "sm_80"],
      sm_86: ["mma", "sm_86"],
      sm_89: ["mma", "sm_86"],
      sm_90a: ["hopper", undefined],
      sm_100a: ["mma", "sm_86"],
      sm_120a: ["mma", "sm_86"],
    });
    const lacking = Object.keys(attention.sm_80?.rejected ?? {});
    expect(lacking).toEqual(
      expect.arrayContaining(["needs sm_90a", "products of int8 are not asked for", "needs sm_86"]),
    );
    const fitting = attention.sm_80?.candidates.filter(({ rejected }) => rejected === null) ?? [];
    expect(new Set(fitting.map(({ config }) => config.variant))).toEqual(new Set(["mma", "simt"]));
    expect(ofFamily(choices, "ternary-gemm").sm_90a?.config).toMatchObject({
      variant: "int8-hopper",
      stages: 6,
    });
    const dumped = readFileSync(join(folder, "dump", "choices.txt"), "utf8");
    expect(dumped).toMatch(/^ {2}sm_86, sm_89, sm_100a, sm_120a: mma from sm_86 warps 4/m);
  });

  it("is not asked for: no choices", async () => {
    const report = JSON.parse(await compile("cpu", "--json"));
    expect(report).not.toHaveProperty("choices");
    expect(report).not.toHaveProperty("stepEstimates");
  });
});
