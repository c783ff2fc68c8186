import { describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import type { Graph, ValueType } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { OpAttrs, OpName } from "../../ir/ops/index.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { quantizeRow } from "../../ir/ternary/quantize.js";
import { between, f32, i64, whole } from "./onnx-case.js";
import { READER, run } from "./run-op.js";

/** Compares with a formula for each flat index of the expected shape. */
function expectFormula(
  found: Tensor | undefined,
  shape: readonly number[],
  f: (...index: number[]) => number,
  tolerance = 1e-5,
): void {
  expect(found?.shape).toEqual(shape);
  const index = shape.map(() => 0);
  for (let i = 0; i < countOf(shape); i++) {
    let rest = i;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    const [a, b] = [Number(found!.data[i]), f(...index)];
    if (!(Math.abs(a - b) <= tolerance * (1 + Math.abs(b))))
      throw new Error(`at [${index.join(", ")}]: found ${a}, expected ${b}`);
  }
}

const at = (t: Tensor, ...index: number[]) =>
  Number(t.data[index.reduce((flat, v, axis) => flat * t.shape[axis]! + v, 0)]);

const erfSeries = (x: number) => {
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
const gelu = (v: number) => 0.5 * v * (1 + erfSeries(v / Math.SQRT2));
const geluTanh = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
const silu = (v: number) => v / (1 + Math.exp(-v));

describe.each(["f32", "f64"] as const)("model ops in %s", (precision) => {
  it("linear with activation, gate and residual", () => {
    const [x, w, b] = [f32(2, 3, 37), between(-0.2, 0.2, 19, 37), between(-0.2, 0.2, 19)];
    const [gate, residual] = [f32(2, 1, 19), f32(2, 3, 19)];
    const plain = (n: number, t: number, o: number) => {
      let sum = at(b, o);
      for (let k = 0; k < 37; k++) sum += at(x, n, t, k) * at(w, o, k);
      return sum;
    };
    const attrs = { role: null, activation: "none", gated: false } as const;
    expectFormula(run("linear", attrs, [x, w, b], 1, precision)[0], [2, 3, 19], plain);
    const activated = run("linear", { ...attrs, activation: "gelu-erf" }, [x, w, b], 1, precision)[0];
    expectFormula(activated, [2, 3, 19], (n, t, o) => gelu(plain(n!, t!, o!)));
    const gated = run(
      "linear",
      { ...attrs, activation: "silu", gated: true },
      [x, w, b, gate, residual],
      1,
      precision,
    )[0];
    expectFormula(
      gated,
      [2, 3, 19],
      (n, t, o) => at(residual, n!, t!, o!) + at(gate, n!, 0, o!) * silu(plain(n!, t!, o!)),
    );
    const unbiased = run("linear", { ...attrs, gated: true }, [x, w, null, gate, residual], 1, precision)[0];
    expectFormula(
      unbiased,
      [2, 3, 19],
      (n, t, o) => at(residual, n!, t!, o!) + at(gate, n!, 0, o!) * (plain(n!, t!, o!) - at(b, o!)),
    );
  });

  it("silu, gelu, modulate and gated-residual", () => {
    const [x, shift, scale] = [f32(2, 3, 5), f32(2, 5), f32(2, 5)];
    expectFormula(run("silu", {}, [x], 1, precision)[0], [2, 3, 5], (...i) => silu(at(x, ...i)));
    const value = f32(2, 3, 5);
    expectFormula(
      run("swiglu", {}, [x, value], 1, precision)[0],
      [2, 3, 5],
      (...i) => silu(at(x, ...i)) * at(value, ...i),
    );
    expectFormula(run("gelu", { approximate: "none" }, [x], 1, precision)[0], [2, 3, 5], (...i) =>
      gelu(at(x, ...i)),
    );
    expectFormula(run("gelu", { approximate: "tanh" }, [x], 1, precision)[0], [2, 3, 5], (...i) =>
      geluTanh(at(x, ...i)),
    );
    expectFormula(
      run("modulate", {}, [x, shift, scale], 1, precision)[0],
      [2, 3, 5],
      (n, t, c) => at(x, n!, t!, c!) * (1 + at(scale, n!, c!)) + at(shift, n!, c!),
    );
    const y = f32(2, 3, 5);
    expectFormula(
      run("gated-residual", {}, [x, scale, y], 1, precision)[0],
      [2, 3, 5],
      (n, t, c) => at(x, n!, t!, c!) + at(scale, n!, c!) * at(y, n!, t!, c!),
    );
  });

  it("adaln", () => {
    const [x, shift, scale] = [f32(2, 3, 7), f32(2, 7), f32(2, 7)];
    const row = (n: number, t: number) => Array.from({ length: 7 }, (_, c) => at(x, n, t, c));
    expectFormula(
      run("adaln", { epsilon: 1e-3 }, [x, shift, scale], 1, precision)[0],
      [2, 3, 7],
      (n, t, c) => {
        const values = row(n!, t!);
        const mean = values.reduce((s, v) => s + v, 0) / 7;
        const variance = values.reduce((s, v) => s + (v - mean) ** 2, 0) / 7;
        return (
          ((values[c!]! - mean) / Math.sqrt(variance + 1e-3)) * (1 + at(scale, n!, c!)) + at(shift, n!, c!)
        );
      },
    );
  });

  it("rope-table and rope, with ids of either dtype", () => {
    const ids = whole("i64", 0, 50, 4, 3);
    const attrs = { axesDims: [2, 6, 4], theta: 100, frequencies: null };
    const [cos, sin] = run("rope-table", attrs, [ids], 2, precision);
    const angle = (t: number, j: number) => {
      const [axis, k, dim] = j < 1 ? [0, j, 2] : j < 4 ? [1, j - 1, 6] : [2, j - 4, 4];
      return at(ids, t, axis!) * 100 ** ((-2 * k!) / dim!);
    };
    expectFormula(cos, [4, 6], (t, j) => Math.cos(angle(t!, j!)));
    expectFormula(sin, [4, 6], (t, j) => Math.sin(angle(t!, j!)));
    const floats: Tensor = { dtype: "f32", shape: [4, 3], data: Float32Array.from(ids.data, Number) };
    expect(run("rope-table", attrs, [floats], 2, precision)[0]?.data).toEqual(cos?.data);
    const x = f32(2, 4, 24);
    const rotated = (n: number, t: number, c: number) => {
      const j = (c % 12) >> 1;
      const [a, b] = [at(x, n, t, c & ~1), at(x, n, t, c | 1)];
      return c % 2 === 0
        ? a * Math.cos(angle(t, j)) - b * Math.sin(angle(t, j))
        : b * Math.cos(angle(t, j)) + a * Math.sin(angle(t, j));
    };
    expectFormula(run("rope", { headDim: 12 }, [x, cos!, sin!], 1, precision)[0], [2, 4, 24], rotated);
    const weight = f32(12);
    const norm = (n: number, t: number, c: number) => {
      const head = c - (c % 12);
      let sum = 0;
      for (let k = head; k < head + 12; k++) sum += at(x, n, t, k) ** 2;
      return 1 / Math.sqrt(sum / 12 + 1e-6);
    };
    const both = run(
      "qk-norm-rope",
      { headDim: 12, epsilon: 1e-6 },
      [x, weight, cos!, sin!],
      1,
      precision,
    )[0];
    expectFormula(both, [2, 4, 24], (n, t, c) => {
      const j = (c! % 12) >> 1;
      const value = (k: number) => at(x, n!, t!, k) * norm(n!, t!, k) * at(weight, k % 12);
      const [a, b] = [value(c! & ~1), value(c! | 1)];
      const [co, si] = [Math.cos(angle(t!, j)), Math.sin(angle(t!, j))];
      return c! % 2 === 0 ? a * co - b * si : b * co + a * si;
    });
  });

  it("rope-table and timestep-embedding with given frequencies", () => {
    const ids = whole("i64", 0, 50, 4, 3);
    const frequencies = [1, 0.9, 0.31640625, 0.03, 1.1, 0.0099945068359375];
    const attrs = { axesDims: [2, 6, 4], theta: 100, frequencies };
    const [cos, sin] = run("rope-table", attrs, [ids], 2, precision);
    const angle = (t: number, j: number) => at(ids, t, j < 1 ? 0 : j < 4 ? 1 : 2) * frequencies[j]!;
    expectFormula(cos, [4, 6], (t, j) => Math.cos(angle(t!, j!)));
    expectFormula(sin, [4, 6], (t, j) => Math.sin(angle(t!, j!)));
    expect(() => run("rope-table", { ...attrs, frequencies: [1, 0.5] }, [ids], 2, precision)).toThrow(
      "2 frequencies for 6 channel pairs",
    );
    const t: Tensor = { dtype: "f32", shape: [2], data: Float32Array.of(0.25, 0.875) };
    const sinusoid = { dim: 8, factor: 8, maxPeriod: 10000, shift: 0, sinFirst: true };
    const given = [1, 0.75, 0.31640625, 0.125];
    expectFormula(
      run("timestep-embedding", { ...sinusoid, frequencies: given }, [t], 1, precision)[0],
      [2, 8],
      (b, j) => {
        const a = 8 * Number(t.data[b!]) * given[j! % 4]!;
        return j! < 4 ? Math.sin(a) : Math.cos(a);
      },
    );
  });

  it("attention, also with other numbers of keys than queries", () => {
    for (const [tokens, keys] of [
      [5, 5],
      [17, 33],
    ] as const) {
      const [q, k, v] = [f32(2, tokens, 12), f32(2, keys, 12), f32(2, keys, 12)];
      expectFormula(
        run("attention", { heads: 3, scale: 0.7 }, [q, k, v], 1, precision)[0],
        [2, tokens, 12],
        (n, t, c) => {
          const head = c! - (c! % 4);
          const scores = Array.from({ length: keys }, (_, u) => {
            let s = 0;
            for (let d = head; d < head + 4; d++) s += at(q, n!, t!, d) * at(k, n!, u, d);
            return Math.exp(0.7 * s);
          });
          const total = scores.reduce((s, e) => s + e, 0);
          return scores.reduce((s, e, u) => s + (e / total) * at(v, n!, u, c!), 0);
        },
      );
    }
  });

  it("timestep-embedding", () => {
    const t: Tensor = { dtype: "f32", shape: [2], data: Float32Array.of(0.25, 0.9) };
    // In f32 every factor of the angle is rounded, as exported models do.
    const round = precision === "f32" ? Math.fround : (v: number) => v;
    for (const sinFirst of [false, true]) {
      const attrs = { dim: 16, factor: 1000, maxPeriod: 10000, shift: 1, sinFirst, frequencies: null };
      expectFormula(run("timestep-embedding", attrs, [t], 1, precision)[0], [2, 16], (b, j) => {
        const frequency = round(Math.exp((-Math.log(10000) * (j! % 8)) / 7));
        const angle = round(round(1000 * Number(t.data[b!])) * frequency);
        return j! < 8 !== sinFirst ? Math.cos(angle) : Math.sin(angle);
      });
    }
  });
});

describe("quantized ops", () => {
  const [x, codes, scales, bias] = [f32(2, 3, 37), whole("i8", -1, 1, 11, 37), f32(11), f32(11)];
  const attrs = { role: null, activation: "none", gated: false } as const;

  it("quantize-rows is quantizeRow of each row", () => {
    const [q, rowScale, rowSum] = run("quantize-rows", {}, [x], 3);
    expect([q?.shape, rowScale?.shape, rowSum?.shape]).toEqual([
      [2, 3, 37],
      [2, 3],
      [2, 3],
    ]);
    const codesOut = new Int8Array(37);
    const row = quantizeRow((x.data as Float32Array).subarray(74, 111), codesOut);
    expect((q!.data as Int8Array).subarray(74, 111)).toEqual(codesOut);
    expect([rowScale?.data[2], rowSum?.data[2]]).toEqual([row.scale, row.sum]);
    expect(rowSum?.data[2]).toBe(codesOut.reduce((s, v) => s + v, 0));
  });

  it("ternary-linear on floats and on quantized rows", () => {
    const dense = run("ternary-linear", { ...attrs, quantized: false }, [x, codes, scales, bias])[0];
    expectFormula(dense, [2, 3, 11], (n, t, o) => {
      let sum = 0;
      for (let k = 0; k < 37; k++) sum += at(x, n!, t!, k) * at(codes, o!, k);
      return sum * at(scales, o!) + at(bias, o!);
    });
    const [q, rowScale, rowSum] = run("quantize-rows", {}, [x], 3);
    const exact = run("ternary-linear", { ...attrs, quantized: true }, [
      q!,
      rowScale!,
      rowSum!,
      codes,
      scales,
      bias,
    ])[0];
    for (let r = 0; r < 6; r++) {
      for (let o = 0; o < 11; o++) {
        let sum = 0;
        for (let k = 0; k < 37; k++) sum += Number(q!.data[r * 37 + k]) * at(codes, o, k);
        const product = Math.fround(Math.fround(sum * Number(rowScale!.data[r])) * at(scales, o));
        expect(exact?.data[r * 11 + o]).toBe(Math.fround(product + at(bias, o)));
      }
    }
  });

  it.each([
    [70, 32],
    [300, 128],
  ])("ternary-linear of %i inputs with scales of groups of %i", (width, group) => {
    const groups = Math.ceil(width / group);
    const [input, w, s] = [f32(2, 3, width), whole("i8", -1, 1, 11, width), f32(11, groups)];
    const sumOf = (data: Tensor, row: number, o: number, g: number) => {
      let sum = 0;
      for (let k = g * group; k < Math.min(width, (g + 1) * group); k++)
        sum += Number(data.data[row * width + k]) * at(w, o, k);
      return sum;
    };
    const dense = run("ternary-linear", { ...attrs, quantized: false }, [input, w, s, bias])[0];
    expectFormula(dense, [2, 3, 11], (n, t, o) => {
      let y = at(bias, o!);
      for (let g = 0; g < groups; g++) y += at(s, o!, g) * sumOf(input, n! * 3 + t!, o!, g);
      return y;
    });
    const [q, rowScale, rowSum] = run("quantize-rows", {}, [input], 3);
    const operands = [q!, rowScale!, rowSum!, w, s, bias];
    const exact = run("ternary-linear", { ...attrs, quantized: true }, operands)[0];
    for (let r = 0; r < 6; r++) {
      for (let o = 0; o < 11; o++) {
        let y = 0;
        for (let g = 0; g < groups; g++) y = Math.fround(y + Math.fround(sumOf(q!, r, o, g) * at(s, o, g)));
        const product = Math.fround(y * Number(rowScale!.data[r]));
        expect(exact?.data[r * 11 + o]).toBe(Math.fround(product + at(bias, o)));
      }
    }
  });

  it("ternary-linear refuses scales that no group size gives", () => {
    const operands = [x, codes, f32(11, 3), bias];
    expect(() => run("ternary-linear", { ...attrs, quantized: false }, operands)).toThrow(
      /codes \[11, 37\] for/,
    );
  });

  it("adaln-quantize is adaln, then quantize-rows", () => {
    const [shift, scale] = [f32(2, 37), f32(2, 37)];
    const fused = run("adaln-quantize", { epsilon: 1e-6 }, [x, shift, scale], 3);
    const apart = run("quantize-rows", {}, [run("adaln", { epsilon: 1e-6 }, [x, shift, scale])[0]!], 3);
    expect(fused).toEqual(apart);
  });
});

describe("interpret", () => {
  const graph: Graph = {
    name: "symbols",
    inputs: ["x"],
    outputs: ["z"],
    types: new Map<string, ValueType>([["x", { dtype: "f32", shape: ["n", 4] }]]),
    constants: new Map([["two", { dtype: "i64", shape: [1], source: { kind: "dims", dims: ["4*n"] } }]]),
    nodes: [
      { op: "part", inputs: ["x"], outputs: ["y"], attrs: { axis: -2, start: 1, length: "n-1" } },
      { op: "reshape", inputs: ["x", "two"], outputs: ["flat"], attrs: { allowZero: false } },
      {
        op: "reduce",
        inputs: ["flat", null],
        outputs: ["z"],
        attrs: { fn: "sum", keepDims: false, noopWithEmptyAxes: false },
      },
    ],
  };

  it("binds symbols by the inputs and keeps what is asked for", () => {
    const x = f32(3, 4);
    const results = interpret(graph, new Map([["x", x]]), { reader: READER, keep: ["y"] });
    expect([...results.keys()].sort()).toEqual(["y", "z"]);
    expect(results.get("y")?.data).toEqual((x.data as Float32Array).slice(4));
  });

  it("takes bindings that the inputs don't tell", () => {
    const free: Graph = { ...graph, types: new Map(), outputs: ["y"], nodes: graph.nodes.slice(0, 1) };
    const x = new Map([["x", f32(3, 4)]]);
    expect(interpret(free, x, { reader: READER, bindings: { n: 2 } }).get("y")?.shape).toEqual([1, 4]);
    expect(() => interpret(free, x, { reader: READER })).toThrow(TritcError);
  });

  it("says which node failed, on what", () => {
    const bad: Graph = {
      ...graph,
      nodes: [{ op: "matmul", inputs: ["x", "x"], outputs: ["z"], attrs: {}, name: "blocks.0/MatMul" }],
    };
    expect(() => interpret(bad, new Map([["x", f32(3, 4)]]), { reader: READER })).toThrow(
      /matmul "blocks.0\/MatMul"[\s\S]*x: f32 \[3, 4\]/,
    );
  });

  it.each<[string, OpName, unknown, (Tensor | null)[]]>([
    ["shapes that don't broadcast", "binary", { fn: "add" }, [f32(3), f32(4)]],
    ["dtypes that differ", "binary", { fn: "add" }, [f32(3), i64(1, 2, 3)]],
    ["an index outside", "gather", { axis: 0 }, [f32(3), i64(3)]],
    ["an axis outside", "softmax", { axis: 2, log: false }, [f32(3)]],
    ["division of integers by zero", "binary", { fn: "div" }, [i64(1), i64(0)]],
    ["a reshape of another size", "reshape", { allowZero: false }, [f32(3), i64(2, 2)]],
  ])("refuses %s", (_, op, attrs, operands) => {
    expect(() => run(op, attrs as OpAttrs[typeof op], operands)).toThrow(TritcError);
  });
});
