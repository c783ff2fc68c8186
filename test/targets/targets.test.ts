import { describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/index.js";
import { languageOfTarget } from "../../ir/families/contract/language.js";
import { ternaryLayout } from "../../ir/families/contract/weights.js";
import {
  type Activations,
  ARCHITECTURE_SOURCE,
  ARCHITECTURES,
  type Architecture,
  CUDA_TARGETS,
  checkActivations,
  checkAttention,
  cudaPortable,
  INSTRUCTION_SOURCE,
  TARGETS,
  TOOLKIT_SOURCE,
  targetByName,
} from "../../targets/index.js";
import { memoryLimit } from "../../targets/memory/index.js";

const ALL: readonly Activations[] = ["int8", "bf16", "f16", "f32"];
/** What the ternary gemm's parameters call them. */
const STORED = { int8: "i8", bf16: "bf16", f32: "f32", f16: null } as const;

describe.each(TARGETS)("the $name target", (target) => {
  it("is found by its name", () => {
    expect(targetByName(target.name)).toBe(target);
  });

  it("has kernels of the language that a program for it is verified with", () => {
    expect(languageOfTarget(target.name)).toBe(target.language);
  });

  it("takes the activations it lists, each of which has a ternary gemm, and refuses the others", () => {
    expect(target.activations.length).toBeGreaterThan(0);
    for (const activations of ALL) {
      const check = () => checkActivations(target, activations);
      if (target.activations.includes(activations)) expect(check).not.toThrow();
      else expect(check).toThrow(`expected: ${target.activations.join(", ")}\n  found:    ${activations}`);
    }
    for (const activations of target.activations.flatMap((name) => STORED[name] ?? []))
      expect(ternaryLayout({ n: 5, k: 33, activations }).words[target.language]).toBeGreaterThan(0);
  });

  it("refuses before anything is read or written", async () => {
    const options = { input: "none.onnx", out: "none", target: target.name, ternarize: "exact" } as const;
    const activations = target.activations.includes("f16") ? "bf16" : "f16";
    await expect(compileModel({ ...options, activations })).rejects.toMatchObject({
      code: "TRITC_E_ACTIVATIONS",
      exitCode: 2,
    });
  });
});

it("names the targets there are where one is not found", () => {
  const names = TARGETS.map(({ name }) => name).join(", ");
  expect(() => targetByName("abacus")).toThrow(`expected: ${names}\n  found:    abacus`);
  expect(names).toMatch(/^cpu, webgpu, v100, t4, a100, a10, l20, l40s, .*h100, h200, b200, cuda-portable$/);
});

it("gives every target one name, and aliases that are no other's", () => {
  const names = TARGETS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  expect(new Set(names).size).toBe(names.length);
  for (const target of TARGETS)
    for (const alias of target.aliases ?? []) expect(targetByName(alias)).toBe(target);
  expect(targetByName("4090").name).toBe("rtx-4090");
});

const https = /^https:\/\/[\w.-]+\/\S+$/;

describe.each(CUDA_TARGETS)("the CUDA target $name", ({ cuda, limits, summary }) => {
  const { architectures = [], gpu = null, ptx } = cuda ?? {};

  it("is one GPU with its memory and sources, or several architectures with PTX", () => {
    expect(ptx).toBe(gpu === null);
    if (gpu === null) {
      expect(architectures.length).toBeGreaterThan(1);
      return;
    }
    expect(architectures).toHaveLength(1);
    expect(limits.maxBufferBytes).toBe(gpu.memoryBytes);
    expect(summary).toContain(gpu.model);
    expect(gpu.sources.length).toBeGreaterThan(0);
    for (const source of gpu.sources) expect(source).toMatch(https);
    // A number that is missing is explained.
    const numbers = [gpu.sms, gpu.l2Bytes, gpu.bf16Tflops, gpu.int8Tops];
    if (numbers.includes(null)) expect(gpu.note).toBeTruthy();
    for (const number of numbers) expect(number ?? 1).toBeGreaterThan(0);
  });

  it("takes no more shared memory than its least architecture has", () => {
    const blocks = architectures.map((name) => ARCHITECTURES[name].sharedBytesPerBlock);
    expect(limits.maxWorkgroupStorageBytes).toBe(Math.min(...blocks));
  });
});

describe.each(Object.entries(ARCHITECTURES))("%s", (name, facts) => {
  it("has the capability of its name, consistent sizes and sources", () => {
    const [major, minor] = facts.computeCapability;
    expect(name.replace(/a$/, "")).toBe(`sm_${major}${minor}`);
    expect(facts.sharedBytesPerBlock).toBeLessThanOrEqual(facts.sharedBytesPerSm);
    expect(facts.registersPerSm).toBe(65_536);
    expect(facts.threadsPerSm % 512).toBe(0);
    expect(facts.matrixInstructions.length).toBeGreaterThan(0);
    for (const source of [ARCHITECTURE_SOURCE, TOOLKIT_SOURCE, INSTRUCTION_SOURCE])
      expect(source).toMatch(https);
  });

  it("has a GPU to compile for, and is portable unless current toolkits have dropped it", () => {
    const architecture = name as Architecture;
    const gpus = CUDA_TARGETS.filter(({ cuda }) => cuda?.gpu && cuda.architectures.includes(architecture));
    expect(gpus.length).toBeGreaterThan(0);
    const portable = cudaPortable.cuda?.architectures.includes(architecture);
    expect(portable).toBe(facts.toolkit.last === null);
  });
});

describe("checkAttention", () => {
  it.each([
    ["cpu", "int8"],
    ["webgpu", "f32"],
    ["a10", "f32"],
  ] as const)("refuses int8 products on %s with %s activations", (name, activations) => {
    const check = () => checkAttention(targetByName(name), activations, "int8");
    expect(check).toThrow(expect.objectContaining({ code: "TRITC_E_ACTIVATIONS" }));
    expect(() => checkAttention(targetByName(name), activations, "bf16")).not.toThrow();
  });

  it("allows them where rows are stored in bf16", () => {
    expect(() => checkAttention(targetByName("a10"), "int8", "int8")).not.toThrow();
    expect(() => checkAttention(targetByName("h200"), "bf16", "int8")).not.toThrow();
  });
});

describe("memoryLimit", () => {
  const GIB = 2 ** 30;
  it.each([
    ["cpu", undefined, 4 * GIB],
    ["cpu", 8 * GIB, 4 * GIB],
    ["cpu", 1 * GIB, 1 * GIB],
    ["webgpu", undefined, null],
    ["webgpu", 8 * GIB, 8 * GIB],
    ["a10", undefined, 23.5 * GIB],
    ["a10", 12 * GIB, 11.5 * GIB],
    ["a10", 1, 0],
    ["cuda-portable", undefined, null],
    ["cuda-portable", 8 * GIB, 7.5 * GIB],
  ] as const)("of %s with a card of %j bytes is %j", (name, cardBytes, bytes) => {
    expect(memoryLimit(targetByName(name), cardBytes)).toBe(bytes);
  });
});
