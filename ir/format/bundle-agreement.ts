import { byteLength } from "../dtype.js";
import { TritcError } from "../errors.js";
import type { Graph } from "../graph/graph.js";
import { portOf, withoutBuffer } from "../program/graph-ports.js";
import type { Program } from "../program/program.js";
import { GRAPH_FILE, MANIFEST_FILE, type Manifest, PROGRAM_FILE, WEIGHTS_FILE } from "./manifest.js";
import type { SafetensorsEntry } from "./safetensors.js";

/**
 * Checks that manifest, program and weights are about the same: target, model, inputs and outputs, kernels and their
 * files, tensors and their types, shapes and sizes. Throws TRITC_E_BUNDLE_FORMAT.
 */
export function checkAgreement(
  manifest: Manifest,
  program: Program,
  entries: ReadonlyMap<string, SafetensorsEntry>,
  place: string,
): void {
  const agree = agreement(place);
  agree("the target", program.target, manifest.target);
  agree("the model", program.model, manifest.model);
  for (const kind of ["inputs", "outputs"] as const) {
    const [ports, wanted] = [program[kind].map(withoutBuffer), manifest[kind]];
    agree(`the ${kind}`, wanted.map(nameOf), ports.map(nameOf), PROGRAM_FILE);
    for (const [i, port] of ports.entries())
      agree(`${kind.slice(0, -1)} ${port.name}`, wanted[i], port, PROGRAM_FILE);
  }
  agree(
    "the kernels",
    program.kernels.map(({ id }) => id).sort(),
    manifest.kernels.map(({ id }) => id).sort(),
  );
  const families = new Map(program.kernels.map(({ id, family }) => [id, family]));
  for (const { id, family, source, binary } of manifest.kernels) {
    agree(`kernel ${id}`, families.get(id), family);
    for (const path of binary === null ? [source] : [source, binary]) {
      agree(`the files of kernel ${id}`, `kernels/${id}`, path.replace(/\.[a-z]+$/, ""));
    }
  }
  const named = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name).sort();
  agree("the tensors", named(manifest.tensors), named([...entries.values()]), WEIGHTS_FILE);
  for (const { name, dtype, shape } of manifest.tensors) {
    const entry = entries.get(name);
    agree(`tensor ${name}`, { dtype, shape }, { dtype: entry?.dtype, shape: entry?.shape }, WEIGHTS_FILE);
  }
  const unused = new Set(entries.keys());
  for (const { id, dtype, elements, storage } of program.buffers) {
    if (!("tensor" in storage)) continue;
    const entry = entries.get(storage.tensor);
    unused.delete(storage.tensor);
    const bytes = byteLength(dtype, Number(elements));
    agree(
      `buffer ${id}`,
      { tensor: storage.tensor, bytes },
      { tensor: entry?.name, bytes: entry?.length },
      WEIGHTS_FILE,
    );
    // What `load` unpacks is bytes to it, whatever they mean.
    if (storage.kind === "weight") agree(`buffer ${id}`, dtype, entry?.dtype, WEIGHTS_FILE);
  }
  agree("the tensors that are used", [], [...unused], WEIGHTS_FILE);
}

/**
 * Checks that a bundle's graph is of the model that its manifest describes, and has its inputs and outputs. The sampler's
 * deltas are no input of a graph. Throws TRITC_E_BUNDLE_FORMAT.
 */
export function checkGraphAgreement(manifest: Manifest, graph: Graph, place: string): void {
  const agree = agreement(place);
  agree("the model", manifest.model, graph.model ?? null, GRAPH_FILE);
  for (const kind of ["inputs", "outputs"] as const) {
    const wanted = manifest[kind].filter(({ role }) => role !== "coefficient");
    agree(`the ${kind}`, wanted.map(nameOf), graph[kind], GRAPH_FILE);
    for (const { name, role, shape } of wanted) {
      const found = graph.types.get(name)?.shape == null ? null : portOf(graph, name);
      agree(`${kind.slice(0, -1)} ${name}`, { name, role, shape }, found, GRAPH_FILE);
    }
  }
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

type Agree = (what: string, expected: unknown, found: unknown, file?: string) => void;

function agreement(place: string): Agree {
  return (what, expected, found, file = MANIFEST_FILE) => {
    const [a, b] = [textOf(expected), textOf(found)];
    if (a === b) return;
    throw new TritcError({
      code: "TRITC_E_BUNDLE_FORMAT",
      message: `the parts of the bundle do not agree on ${what}`,
      place: `${place}/${file}`,
      expected: shortened(a),
      found: shortened(b),
      remedy: "compile the model again; if the bundle was downloaded, download it again",
    });
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, sorted) ?? "nothing");
}

/** Members in one order, whatever the order in their file. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
