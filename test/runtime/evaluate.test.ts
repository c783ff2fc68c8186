import { describe, expect, it } from "vitest";
import type { Bindings } from "../../ir/dim.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import type { LoadedProgram } from "../../runtime/device.js";
import { evaluateBundle } from "../../runtime/evaluate.js";

const program: Program = {
  target: "cpu",
  symbols: ["n", "m", "steps"],
  buffers: [
    { id: "bx", dtype: "f32", elements: "3*n", storage: { kind: "host" } },
    { id: "bi", dtype: "i32", elements: "m+n", storage: { kind: "host" } },
    { id: "bd", dtype: "f32", elements: "steps", storage: { kind: "host" } },
    { id: "by", dtype: "f32", elements: "3*n", storage: { kind: "arena", slot: 0 } },
  ],
  kernels: [],
  phases: phasesWith({ load: [], prompt: [], step: [], euler: [] }),
  inputs: [
    { name: "x", role: null, buffer: "bx", dtype: "f32", shape: [1, "n", 3], batchAxis: 0 },
    { name: "ids", role: null, buffer: "bi", dtype: "i64", shape: ["m+n"], batchAxis: null },
    { name: "w", role: null, buffer: "bi", dtype: "i64", shape: ["m"], batchAxis: null },
    {
      name: "sigma_delta",
      role: "coefficient",
      buffer: "bd",
      dtype: "f32",
      shape: ["steps"],
      batchAxis: null,
    },
  ],
  outputs: [{ name: "y", role: null, buffer: "by", dtype: "f16", shape: [1, "n", 3], batchAxis: 0 }],
  model: null,
};

/** Doubles x, and remembers what it was given. */
class Doubler implements LoadedProgram {
  bindings: Bindings = {};
  readonly written = new Map<string, Float32Array | Int32Array>();
  bind(bindings: Bindings) {
    this.bindings = bindings;
    return Promise.resolve();
  }
  write(buffer: string, data: Float32Array | Int32Array) {
    this.written.set(buffer, data.slice());
  }
  run() {
    return Promise.resolve();
  }
  read() {
    const x = this.written.get("bx") ?? new Float32Array();
    return Promise.resolve(Float32Array.from(x, (v) => 2 * v));
  }
  peakMemoryBytes() {
    return 0;
  }
  memoryBytes() {
    return 0;
  }
  close() {
    return Promise.resolve();
  }
}

function f32(shape: readonly number[], first = 1): Tensor {
  return { dtype: "f32", shape, data: Float32Array.from({ length: countOf(shape) }, (_, i) => first + i) };
}

function i64(...values: readonly (number | bigint)[]): Tensor {
  return { dtype: "i64", shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}

const good = () =>
  new Map([
    ["x", f32([2, 2, 3])],
    ["ids", i64(5, -6, 7)],
    ["w", i64(9)],
  ]);

describe("evaluateBundle", () => {
  it("binds symbols, converts types, and runs a batch sample by sample", async () => {
    const device = new Doubler();
    const inputs = good();
    const y = (await evaluateBundle(device, program, inputs)).get("y");
    expect(device.bindings).toEqual({ n: 2, m: 1, steps: 1 });
    expect(y?.dtype).toBe("f16");
    expect(y?.shape).toEqual([2, 2, 3]);
    expect(y?.data).toEqual(Float32Array.from(inputs.get("x")?.data as Float32Array, (v) => 2 * v));
    expect(device.written.get("bd")).toBeUndefined();
  });

  it.each<readonly [string, (inputs: Map<string, Tensor>) => void, RegExp]>([
    ["a missing input", (i) => i.delete("w"), /inputs: w not given\n {2}expected: x, ids, w/],
    ["an unknown input", (i) => i.set("z", f32([1])), /input z: the bundle has no such input/],
    ["another rank", (i) => i.set("x", f32([2, 3])), /input x: rank 2 instead of 3/],
    ["a wrong fixed size", (i) => i.set("x", f32([1, 2, 4])), /input x: the wrong size\n {2}expected: 3/],
    [
      "sizes that contradict",
      (i) => i.set("ids", i64(1, 2)),
      /input ids: the wrong size\n {2}expected: m\+n \(m = 1\) \(n = 2\)/,
    ],
    [
      "an integer above 32 bits",
      (i) => i.set("w", i64(2n ** 40n)),
      /input w: a value that the kernels cannot hold/,
    ],
  ])("refuses %s", async (_, change, message) => {
    const inputs = good();
    change(inputs);
    await expect(evaluateBundle(new Doubler(), program, inputs)).rejects.toThrow(message);
  });
});
