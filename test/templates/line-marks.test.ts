/** `#line` directives of rendered templates: what a compiler says of a rendered line is true of the template's. */
import { describe, expect, it } from "vitest";
import { targetByName } from "../../targets/index.js";
import { readTemplateFile } from "../../templates/files.js";
import { defineKernel, type KernelDefinition } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";

const gemm = {
  n: 192,
  k: 256,
  activation: "gelu-tanh",
  bias: true,
  gated: false,
  activations: "i8",
} as const;

const DEFINITIONS: readonly (readonly [string, KernelDefinition])[] = [
  ["ternary-gemm on t4", defineKernel("ternary-gemm", gemm, targetByName("t4"))],
  ["ternary-gemm on h200", defineKernel("ternary-gemm", gemm, targetByName("h200"))],
  ["attention", defineKernel("attention", { heads: 2, headDim: 64, scale: 0.5 }, targetByName("t4"))],
  ["matmul", defineKernel("matmul", {}, targetByName("t4"))],
  ["gather", defineKernel("gather", { c: 24 }, targetByName("t4"))],
];

interface Placed {
  readonly text: string;
  readonly path: string;
  readonly line: number;
}

/** Lines of a marked text with the places that a compiler would name for them. */
function placed(text: string): readonly Placed[] {
  let path = "";
  let line = 0;
  return text.split("\n").flatMap((rendered) => {
    const directive = /^#line (\d+) "templates\/(.*)"$/.exec(rendered);
    if (directive === null) return [{ text: rendered, path, line: line++ }];
    line = Number(directive[1]);
    path = directive[2] ?? "";
    return [];
  });
}

describe.each(DEFINITIONS)("%s", (_, { template, values }) => {
  const plain = renderTemplate(template, values);
  const lines = placed(renderTemplate(template, values, { lines: true }));

  it("is the same text with and without marks", () => {
    expect(lines.map(({ text }) => text).join("\n")).toBe(plain);
  });

  it("places every line where it is", () => {
    let verbatim = 0;
    for (const { text, path, line } of lines) {
      const source = readTemplateFile(path).split("\n")[line - 1] ?? "";
      // Blocks inside a line leave parts of it out.
      if (/\{\{(?:header|#|else|\/)/.test(source)) continue;
      // Lines with values in them differ; their plain parts do not.
      const parts = source.split(/\{\{.*?\}\}/).filter((part) => part.trim() !== "");
      for (const part of parts) expect(text, `${path}:${line}`).toContain(part);
      if (parts.length === 1 && text === source) verbatim++;
    }
    expect(verbatim).toBeGreaterThan(plain.split("\n").length / 3);
  });

  it("changes nothing about rendering afterwards", () => {
    expect(renderTemplate(template, values)).toBe(plain);
  });
});
