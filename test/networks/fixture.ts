import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { evaluateModel } from "../../compiler/evaluate.js";
import { fileReader } from "../../compiler/file-reader.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import type { Tensor } from "../../ir/tensor.js";

/** A network that its original class saved, and what that made of some inputs. */
export function fixtureFolder(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** The cases of a fixture: inputs and results by name. */
export function casesOf(name: string): readonly ReadonlyMap<string, Tensor>[] {
  const file = join(fixtureFolder(name), "expected.safetensors");
  const cases: Map<string, Tensor>[] = [];
  for (const [key, tensor] of parseSafetensors(readFileSync(file), file)) {
    const [, number = "", part = ""] = /^(\d+)\.(.*)$/.exec(key) ?? [];
    const found = cases[Number(number)] ?? new Map<string, Tensor>();
    cases[Number(number)] = found.set(part, tensor);
  }
  return cases;
}

/** A copy of a fixture with other tensors or names of tensors, or another configuration. */
export function changeFixture(
  root: string,
  name: string,
  folder: string,
  edit: (tensors: Map<string, Tensor>) => ReadonlyMap<string, Tensor>,
  settings: Readonly<Record<string, unknown>> = {},
): string {
  const from = fixtureFolder(name);
  const to = join(root, folder);
  mkdirSync(to);
  const tensors = new Map(parseSafetensors(readFileSync(join(from, "model.safetensors"))));
  writeFileSync(join(to, "model.safetensors"), serialize(edit(tensors)));
  const config: object = JSON.parse(readFileSync(join(from, "config.json"), "utf8"));
  writeFileSync(join(to, "config.json"), JSON.stringify({ ...config, ...settings }));
  return to;
}

/** What the interpreter makes of a case's inputs. */
export function evaluateCase(
  graph: Graph,
  given: ReadonlyMap<string, Tensor>,
  names: readonly string[] = graph.inputs,
): ReadonlyMap<string, Tensor> {
  verifyGraph(graph);
  const reader = fileReader();
  try {
    const inputs = new Map(names.map((name) => [name, given.get(name) as Tensor]));
    return evaluateModel(graph, inputs, { reader });
  } finally {
    reader.close();
  }
}

/** Checks a result element by element. */
export function expectNear(found: Tensor | undefined, wanted: Tensor | undefined, most: number): void {
  expect(found?.shape).toEqual(wanted?.shape);
  expect(wanted?.data.length).toBeGreaterThan(0);
  for (const [i, value] of wanted?.data.entries() ?? []) {
    const difference = Math.abs(Number(found?.data[i]) - Number(value));
    if (!(difference <= most)) {
      expect.fail(`element ${i}: ${found?.data[i]} instead of ${value}`);
    }
  }
}
