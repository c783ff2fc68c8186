import { expect, it } from "vitest";
import { cpu, webgpu } from "../../targets/index.js";
import type { Choice } from "../../templates/choice/choose.js";
import { RememberedChoices } from "../../templates/choice/remembered.js";
import { defineKernel } from "../../templates/index.js";

const dense = { n: 72, k: 40, activation: "none", bias: false, gated: false } as const;
const of = (rows: readonly number[], target = cpu, params: typeof dense | { n: 80; k: 40 } = dense) =>
  defineKernel("dense-gemm", { ...dense, ...params }, target, rows);

it("kernels of the same parameters, rows and target are chosen once, any others anew", () => {
  const { choices, kernel } = of([9, 1]);
  expect(of([9, 1]).choices).toEqual(choices);
  expect(of([9, 1]).choices[0]?.candidates).toBe(choices[0]?.candidates);
  for (const other of [
    of([9]),
    of([9, 1], { ...cpu }),
    of([9, 1], webgpu),
    of([9, 1], cpu, { n: 80, k: 40 }),
  ])
    expect(other.choices[0]?.candidates).not.toBe(choices[0]?.candidates);
  const scalars = new Map([[9, [2]]]);
  const scaled = defineKernel("dense-gemm", dense, cpu, [9, 1], undefined, scalars);
  expect(scaled.choices[0]?.candidates).not.toBe(choices[0]?.candidates);
  // What was measured counts also where the same was chosen without it before.
  const config = choices[0]?.candidates.find(
    ({ rejected, config }) => rejected === null && config.tileM !== kernel.config.tileM,
  )?.config;
  const measured = defineKernel("dense-gemm", dense, cpu, [9, 1], () => config);
  expect(config).toBeDefined();
  expect(measured.kernel.config).toEqual(config);
  expect(of([9, 1]).kernel.config).toEqual(kernel.config);
});

it("what was asked for last is kept, so many candidates and no more", () => {
  const remembered = new RememberedChoices();
  const made: string[] = [];
  const ask = (about: string) =>
    remembered.of(cpu, about, () => {
      made.push(about);
      return [{ candidates: new Array(10_000) } as unknown as Choice];
    });
  for (const about of ["a", "b", "c", "a", "d"]) ask(about);
  expect(made).toEqual(["a", "b", "c", "d"]);
  ask("a");
  expect(made).toEqual(["a", "b", "c", "d"]);
  ask("b");
  expect(made).toEqual(["a", "b", "c", "d", "b"]);
});
