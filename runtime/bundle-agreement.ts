import { byteLength } from "../ir/dtype.js";
import { TritcError } from "../ir/errors.js";
import { MANIFEST_FILE, type Manifest, WEIGHTS_FILE } from "../ir/format/manifest.js";
import type { SafetensorsEntry } from "../ir/format/safetensors.js";
import type { Program } from "../ir/program/program.js";

/**
 * Checks that manifest, program and weights are about the same: target, model, kernels and their files, tensors and their
 * types, shapes and sizes. Throws TRITC_E_BUNDLE_FORMAT.
 */
export function checkAgreement(
  manifest: Manifest,
  program: Program,
  entries: ReadonlyMap<string, SafetensorsEntry>,
  place: string,
): void {
  const agree = (what: string, expected: unknown, found: unknown, file: string = MANIFEST_FILE): void => {
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
  agree("the target", program.target, manifest.target);
  agree("the model", program.model, manifest.model);
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

function textOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
}

function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
