/** Branches of weights that have a scale for each group of a row's inputs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { ternarizedBy } from "../../compiler/passes/ternarize.js";
import { fitBranches } from "../../compiler/residual/fit-branches.js";
import { planBranches } from "../../compiler/residual/plan-branches.js";
import type { Constant } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { readConstant } from "../../ir/constant/read.js";
import type { Graph } from "../../ir/graph/graph.js";
import { randomFloats } from "../support/random.js";
import { remainder, singularValues, squares } from "./reference.js";

const root = mkdtempSync(join(tmpdir(), "tritc-fit-"));
const reader = fileReader();
afterAll(() => {
  reader.close();
  rmSync(root, { recursive: true });
});

it("are of what those scales leave", async () => {
  const [n, k, rank] = [40, 70, 6];
  const weights = randomFloats(3, n * k);
  const weight: Constant = {
    ...{ dtype: "f32", shape: [n, k] },
    source: { kind: "inline", bytes: encodeBytes("f32", weights) },
  };
  const graph: Graph = {
    ...{ name: "one", inputs: ["x"], outputs: ["y"], constants: new Map([["w", weight]]) },
    types: new Map([
      ["x", { dtype: "f32", shape: [2, k] }],
      ["w", { dtype: "f32", shape: [n, k] }],
      ["y", { dtype: "f32", shape: [2, n] }],
    ]),
    nodes: [
      {
        ...{ op: "linear", inputs: ["x", "w"], outputs: ["y"] },
        attrs: { role: "single.0.out", activation: "none", gated: false },
      },
    ],
  };
  const plan = planBranches(graph, ternarizedBy(graph, reader, "exact", 32), {
    rank,
    file: join(root, "work", "branches"),
  });
  await fitBranches(plan, { reader, threads: 0, resume: true });
  const [layer] = plan.layers;
  const [branch] = plan.branches.values();
  if (layer === undefined || branch === undefined) throw new Error("no branch");
  expect(layer.scales.shape).toEqual([n, 3]);
  const numbers = (constant: Constant) => Float64Array.from(readConstant(constant, reader).data, Number);
  const [codes, scales, up, down] = [layer.codes, layer.scales, branch.up, branch.down].map(numbers);
  if (codes === undefined || scales === undefined || up === undefined || down === undefined) return;
  const lost = Float64Array.from(weights, (value, at) => {
    const scale = scales[Math.floor(at / k) * 3 + Math.floor((at % k) / 32)] ?? Number.NaN;
    return value - scale * (codes[at] ?? Number.NaN);
  });
  const best = squares(singularValues(lost, k).slice(rank));
  expect(squares(remainder(lost, up, down, rank))).toBeLessThan(1.02 * best);
  expect(squares(remainder(lost, up, down, rank))).toBeGreaterThan(0.999 * best);
});
