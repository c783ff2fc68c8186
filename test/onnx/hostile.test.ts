import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { importOnnx } from "../../compiler/onnx/index.js";
import { TritcError } from "../../ir/errors.js";
import { HOSTILE_ONNX } from "../support/hostile-onnx.js";

const root = mkdtempSync(join(tmpdir(), "tritc-hostile-"));
afterAll(() => rmSync(root, { recursive: true }));

describe("broken models are refused", () => {
  it("has at least thirty cases, with distinct names", () => {
    expect(new Set(HOSTILE_ONNX.map((c) => c.name)).size).toBe(HOSTILE_ONNX.length);
    expect(HOSTILE_ONNX.length).toBeGreaterThanOrEqual(30);
  });

  it.each(HOSTILE_ONNX)("$name", ({ files, code, message }) => {
    const directory = mkdtempSync(join(root, "case-"));
    const path = files(directory);
    const before = readdirSync(directory).sort();
    let error: unknown;
    try {
      importOnnx(path);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(TritcError);
    if (!(error instanceof TritcError)) return;
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.details.remedy).toBeTruthy();
    expect(error.message).not.toContain("\x1b");
    expect(readdirSync(directory).sort()).toEqual(before);
  });
});
