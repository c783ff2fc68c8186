/** Operations and bytes of launches against sizes worked out by hand. */

import { describe, expect, it } from "vitest";
import { parseProgramText } from "../../ir/program/parse.js";
import { launchWork, timeFloor, totalWork } from "../../ir/program/work.js";
import { byPhase } from "../support/phases.js";

const program = parseProgramText(`program "a10" {
  symbols t
  buffer %q: i8[32*t] host
  buffer %scale: f32[t] host
  buffer %sum: i32[t] host
  buffer %w: u32[100] resident
  buffer %s: f32[48] weight("s")
  buffer %y: bf16[96*t] arena(0)
  buffer %z: f32[48*t] arena(1)
  kernel %gemm: ternary-gemm(q: read i8 rows, rowScale: read f32 rows, rowSum: read i32 rows, weights: read u32, scales: read f32, out: write bf16 rows) {"n": 48, "k": 20, "activations": "i8", "bias": false, "activation": "none", "gated": false, "out": "bf16"} config {"variant": "int8-mma"}
  kernel %attention: attention(q: read bf16 rows, k: read bf16, v: read bf16, out: write bf16 rows, u32) {"heads": 2, "headDim": 8, "scale": 0.25, "storage": "bf16"} config {"variant": "mma"}
  kernel %add: elementwise(in0: read f32, out: write f32, u32, u32, u32, u32, u32, u32) {"rank": 2, "inputs": ["f32"], "output": "f32", "expression": "in0"} config {"variant": "strided"}
  phase "step" runs step writes arena {
    "gemm": %gemm(%q[0; 32; 0], %scale[0; 1; 0], %sum[0; 1; 0], %w[0; 0; 0], %s[0; 0; 0], %y[48; 96; 0]) rows t
    "attention": %attention(%y[0; 96; 0], %y[16; 96; 0], %y[32; 96; 0], %y[48; 96; 0]) rows t scalars t
    "add": %add(%s[0; 0; 0], %z[0; 0; 0]) rows t scalars t, 48, 0, 1, 48, 1
  }
}`);

describe("the work of a launch", () => {
  const t = 7;
  const [gemm, attention, add] = launchWork(program, byPhase(program).step, { t });

  it("of a ternary layer: codes, weights in their layout, and what it writes of wider rows", () => {
    expect(gemm).toMatchObject({
      label: "gemm",
      family: "ternary-gemm",
      operations: { int8: 2 * t * 48 * 20, bf16: 0, f32: 0 },
      // Rows of 20 codes are padded to 32.
      readBytes: 32 * t + 4 * t + 4 * t + 4 * 96 + 4 * 48,
      writtenBytes: 2 * 48 * t,
    });
  });

  it("of attention: two products over all keys", () => {
    expect(attention?.operations).toEqual({ int8: 0, bf16: 4 * t * t * 16, f32: 0 });
    expect(attention?.readBytes).toBe(3 * 2 * 16 * t);
    expect(attention?.writtenBytes).toBe(2 * 16 * t);
  });

  it("of an elementwise kernel: a row that repeats is read once", () => {
    expect(add).toMatchObject({ operations: { f32: 48 * t }, readBytes: 4 * 48, writtenBytes: 4 * 48 * t });
  });

  it("adds up, and takes the longer of arithmetic and memory, launch by launch", () => {
    const works = [gemm, attention, add].filter((work) => work !== undefined);
    expect(totalWork(works).writtenBytes).toBe(works.reduce((sum, work) => sum + work.writtenBytes, 0));
    const bytes = works.map((work) => work.readBytes + work.writtenBytes);
    const seconds = bytes.reduce((sum, count) => sum + count / 8, 0);
    expect(timeFloor(works, { int8: 1e30, bf16: 1e30, bytes: 8 })).toBeCloseTo(seconds, 9);
    const operations = works.map(({ operations: { int8, bf16, f32 } }) => int8 / 4 + (bf16 + f32) / 2);
    const busy = operations.reduce((sum, count) => sum + count, 0);
    expect(timeFloor(works, { int8: 4, bf16: 2, bytes: 1e30 })).toBeCloseTo(busy, 9);
    expect(timeFloor(works, { int8: null, bf16: 2, bytes: 8 })).toBeNull();
    expect(timeFloor(works, { int8: 4, bf16: 2, bytes: null })).toBeNull();
  });
});
