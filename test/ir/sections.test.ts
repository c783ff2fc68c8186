import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isOpName, OP_NAMES, OPS, SECTIONS } from "../../ir/ops/index.js";

/** Folders with a file for each section that they have something for, and their other files. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  "ir/ops": [
    "definition",
    "frequencies",
    "held",
    "index",
    "infer",
    "operands",
    "results",
    "shape-results",
    "slice",
    "traits",
  ],
  "ir/interpret": ["index", "value"],
  "compiler/onnx/ops": ["contrib", "index"],
  "compiler/onnx-export/ops": ["index"],
  "compiler/gradient/ops": ["index"],
  "compiler/lower/ops": ["index"],
};
/** Folders that have something for every operation. */
const COMPLETE = ["ir/ops", "ir/interpret"];

const names = Object.keys(SECTIONS).sort();
const sectionOf = new Map(
  Object.entries(SECTIONS).flatMap(([section, ops]) => Object.keys(ops).map((op) => [op, section] as const)),
);

function path(file: string): string {
  return fileURLToPath(new URL(`../../${file}`, import.meta.url));
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(path(folder))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -".ts".length));
}

function sectionsOf(folder: string): readonly string[] {
  return filesOf(folder).filter((file) => !FOLDERS[folder]?.includes(file));
}

describe("sections of operations", () => {
  it("hold each operation once", () => {
    const all = Object.values(SECTIONS).flatMap((ops) => Object.keys(ops));
    expect([...all].sort()).toEqual([...OP_NAMES].sort());
    expect(new Set(all).size).toBe(all.length);
    for (const ops of Object.values(SECTIONS)) expect(OPS).toMatchObject(ops);
  });

  it.each(Object.keys(FOLDERS))("have the same names in %s", (folder) => {
    const found = sectionsOf(folder);
    expect(found.filter((file) => !names.includes(file))).toEqual([]);
    if (COMPLETE.includes(folder)) expect([...found].sort()).toEqual(names);
  });

  it.each([
    "ir/ops",
    "ir/interpret",
    "compiler/onnx-export/ops",
    "compiler/gradient/ops",
    "compiler/lower/ops",
  ])("have their own operations in %s", async (folder) => {
    for (const section of sectionsOf(folder)) {
      const module: Record<string, unknown> = await import(path(`${folder}/${section}.ts`));
      const tables = Object.values(module).flatMap((value) =>
        typeof value === "object" && value !== null && Object.keys(value).some(isOpName) ? [value] : [],
      );
      expect([section, tables.length]).toEqual([section, 1]);
      const strangers = Object.keys(tables[0] ?? {}).filter((op) => sectionOf.get(op) !== section);
      expect([section, ...strangers]).toEqual([section]);
    }
  });

  it("have the importers whose results are their operations", () => {
    const given = new Map<string, Set<string>>();
    for (const file of sectionsOf("compiler/onnx/ops")) {
      const text = readFileSync(path(`compiler/onnx/ops/${file}.ts`), "utf8");
      for (const [, op = ""] of text.matchAll(/n\.results?\(\s*"([a-z0-9-]+)"/g)) {
        given.set(op, (given.get(op) ?? new Set()).add(file));
      }
    }
    expect(given.size).toBeGreaterThan(50);
    // Some operators are made of others' operations; each operation is given in its own section too.
    const strangers = [...given].filter(([op, files]) => !files.has(sectionOf.get(op) ?? ""));
    expect(strangers).toEqual([]);
  });
});
