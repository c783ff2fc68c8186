import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OPSETS_READ } from "../compiler/onnx/opsets.js";

const root = join(import.meta.dirname, "..");
const SOURCES = ["ir", "targets", "templates", "compiler", "runtime"];

function codesIn(text: string): Set<string> {
  return new Set([...text.matchAll(/\bTRITC_E_[A-Z0-9_]*[A-Z0-9]\b/g)].map((m) => m[0]));
}

function sourceCodes(): Set<string> {
  const codes = new Set<string>();
  for (const folder of SOURCES) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts")) continue;
      for (const code of codesIn(readFileSync(join(root, folder, file), "utf8"))) codes.add(code);
    }
  }
  return codes;
}

describe("the range of opsets", () => {
  it("is the importer's wherever it is said", () => {
    const pages = [
      "README.md",
      ...readdirSync(join(root, "docs"), { encoding: "utf8" }).map((f) => `docs/${f}`),
    ];
    const texts = pages
      .filter((page) => page.endsWith(".md"))
      .map((page) => readFileSync(join(root, page), "utf8"));
    const said = texts.flatMap((text) => text.match(/opset \d+ to \d+/g) ?? []);
    expect(said.length).toBeGreaterThan(1);
    expect(new Set(said)).toEqual(new Set([OPSETS_READ]));
  });
});

describe("docs/errors.md", () => {
  it("lists every error code of the sources, and no other", () => {
    const documented = codesIn(readFileSync(join(root, "docs/errors.md"), "utf8"));
    expect([...documented].sort()).toEqual([...sourceCodes()].sort());
  });
});
