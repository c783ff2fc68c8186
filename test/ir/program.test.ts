import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { batchAxesOf, optimize, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { lower } from "../../compiler/lower/index.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { parseProgram, printProgram } from "../../ir/program/json.js";
import { parseProgramText } from "../../ir/program/parse.js";
import { phasesWith } from "../../ir/program/phases.js";
import { printProgramText } from "../../ir/program/print.js";
import type { Program } from "../../ir/program/program.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { verifyProgramSizes } from "../../ir/program/verify-sizes.js";
import { targetByName } from "../../targets/index.js";
import { SAMPLE } from "./program-sample.js";

const reader = fileReader();
afterAll(() => reader.close());

function compiledProgram(model: string, target: string, ternarize: "exact" | "none"): Program {
  const imported = importOnnx(join(import.meta.dirname, "..", "models", "import", model, "model.onnx"));
  const recognized = recognize(imported, reader);
  const { limits } = targetByName(target);
  const activations = ternarize === "none" ? "f32" : "int8";
  const options = { ternarize, activations, bindings: {}, sizes: {}, limits } as const;
  const graph = optimize(recognized, { reader, options });
  const batchAxes = batchAxesOf(imported, recognized);
  return lower(graph, { target: targetByName(target), sizes: {}, batchAxes }).program;
}

describe.each(["ts14-decomposed", "ts17-optimum", "ts17-schnell-static"])("the program of %s", (model) => {
  it.each([
    ["cpu", "exact"],
    ["webgpu", "none"],
  ] as const)(
    "for %s, ternarize %s, holds all invariants and survives both text forms",
    (target, ternarize) => {
      const program = compiledProgram(model, target, ternarize);
      verifyProgram(program);
      expect(parseProgram(printProgram(program))).toEqual(program);
      const text = printProgramText(program);
      expect(parseProgramText(text)).toEqual(program);
      expect(printProgramText(parseProgramText(text))).toBe(text);
      for (const img_tokens of [1, 2, 31, 1000]) {
        for (const txt_tokens of [1, 7, 512])
          verifyProgramSizes(program, { img_tokens, txt_tokens, steps: 4 });
      }
    },
  );
});

describe("program text", () => {
  it("parses back to the same program", () => {
    verifyProgram(SAMPLE);
    const text = printProgramText(SAMPLE);
    expect(parseProgramText(text)).toEqual(SAMPLE);
    expect(parseProgram(printProgram(SAMPLE))).toEqual(SAMPLE);
    expect(text).toContain(
      '"block": %gemm(%q[0; 32; 0], %row_scale[0; 1; 0], %row_sum[0; 1; 0], %weights[0; 0; 0], %scales[0; 0; 0], %"odd name\\n"[0; 0; 8], %x[0; 20; 0], %joined[8; 16; 0]) rows img_tokens grid 8/8, img_tokens/32',
    );
  });

  it("keeps a program with nothing in it", () => {
    const phases = phasesWith({ load: [], prompt: [], step: [], euler: [] });
    const empty: Program = {
      ...SAMPLE,
      symbols: [],
      buffers: [],
      kernels: [],
      phases,
      inputs: [],
      outputs: [],
    };
    expect(parseProgramText(printProgramText({ ...empty, model: null }))).toEqual({ ...empty, model: null });
  });

  it.each([
    ["program cpu", /expected a quoted string/],
    ['program "cpu" { buffer %x: f33[1] host }', /f33 is none of f32/],
    ['program "cpu" { buffer %x: f32[1] attic }', /attic is none of arena/],
    ['program "cpu" { kernel %k: f(x: write f32, u8) }', /u8 is no scalar type/],
    ['program "cpu" { kernel %k: f() config {"variant": "v"} workgroup [1, 2] }', /three sizes/],
    ['program "cpu" { phase "step" runs step writes arena { "a": %k(%x[0; 0]) rows 1 } }', /expected ";"/],
    ['program "cpu" { phase "step" runs never }', /never is none of load/],
    ['program "cpu" { phase "step" { } input }', /expected "runs"/],
    ['program "cpu" { } x', /the end of the text/],
  ])("refuses %s", (text, message) => {
    expect(() => parseProgramText(text)).toThrow(message);
  });
});
