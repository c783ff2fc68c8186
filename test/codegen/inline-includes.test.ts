import { describe, expect, it } from "vitest";
import { inlineIncludes } from "../../compiler/codegen/nvcc/inline-includes.js";
import { readTemplateFile } from "../../templates/files.js";

const FILES: Readonly<Record<string, string>> = {
  "cuda/a.cuh": '#pragma once\n\n#include "cuda/b.cuh"\nint a;\n',
  "cuda/b.cuh": "#pragma once\nint b;\n",
  "cuda/ptx/c.cuh": '#include "cuda/a.cuh"\nint c;\n',
};

function inline(source: string): string {
  return inlineIncludes(source, "templates/x.cu.hbs", (path) => {
    const text = FILES[path];
    if (text === undefined) throw new Error("no such file");
    return text;
  });
}

describe("inlineIncludes", () => {
  it("puts each file in once, before the first line that needs it", () => {
    const source = '#include "cuda/ptx/c.cuh"\n  #  include "cuda/b.cuh"\nint x;\n';
    const lines = inline(source).split("\n");
    const code = lines.filter((line) => line !== "" && !line.startsWith("//"));
    expect(code).toEqual(["int b;", "int a;", "int c;", "int x;"]);
    expect(lines.filter((line) => line === "// cuda/b.cuh")).toHaveLength(1);
  });

  it.each([
    ["a system header", "#include <cuda.h>", "templates/x.cu.hbs", "#include <cuda.h>"],
    ["a file elsewhere", '#include "../x.h"', "templates/x.cu.hbs", '#include "../x.h"'],
    ["a file that does not exist", '#include "cuda/none.cuh"', "templates/x.cu.hbs", "cuda/none.cuh"],
  ])("refuses %s", (_, source, place, found) => {
    expect(() => inline(source)).toThrow(
      expect.objectContaining({
        code: "TRITC_E_TEMPLATE",
        details: expect.objectContaining({ place, found }),
      }),
    );
  });

  it("leaves no include in the project's own helpers", () => {
    const text = inlineIncludes(
      '#include "cuda/operand.cuh"\n#include "cuda/bf16.cuh"\n',
      "here",
      readTemplateFile,
    );
    expect(text).toContain("struct Operand");
    expect(text).toContain("struct bf16");
    expect(text).not.toMatch(/#\s*(?:include|pragma once)/);
  });
});
