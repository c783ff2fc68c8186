/** Errors of layers, against their results computed one by one. */
import { describe, expect, it } from "vitest";
import { layerErrors, meansByKind } from "../../compiler/compare/layer-errors.js";
import { byRoleOf, type Layer, layersOf } from "../../compiler/compare/layers.js";
import { fileReader } from "../../compiler/file-reader.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { randomFloats } from "../support/random.js";

const [ROWS, COLUMNS, INPUTS] = [700, 12, 40];

function layer(role: string, weights: Float32Array, bias: Float32Array): Layer {
  const columns = weights.length / bias.length;
  return {
    ...{ role, rows: bias.length, columns },
    read: (start, end) => ({
      weights: weights.subarray(start * columns, end * columns),
      bias: bias.subarray(start, end),
    }),
  };
}

const x = randomFloats(1, INPUTS * COLUMNS).map((value) => value + 0.3);
const matrix = new Float64Array(new SharedArrayBuffer(8 * COLUMNS * COLUMNS));
const mean = new Float64Array(COLUMNS);
for (let n = 0; n < INPUTS; n++) {
  for (let i = 0; i < COLUMNS; i++) {
    mean[i]! += x[n * COLUMNS + i]! / INPUTS;
    for (let j = 0; j < COLUMNS; j++)
      matrix[i * COLUMNS + j]! += (x[n * COLUMNS + i]! * x[n * COLUMNS + j]!) / INPUTS;
  }
}
const roles = ["double.0.img.q", "double.0.img.k"];
const moments = [{ roles, width: COLUMNS, rows: 1, read: async () => ({ matrix, mean }) }];

/** Σ‖Wx + b‖² over all inputs. */
function energy(weights: Float32Array, bias: Float32Array): number {
  let sum = 0;
  for (let n = 0; n < INPUTS; n++) {
    for (const [r, offset] of bias.entries()) {
      let y = offset;
      for (let c = 0; c < COLUMNS; c++) y += weights[r * COLUMNS + c]! * x[n * COLUMNS + c]!;
      sum += y * y;
    }
  }
  return sum;
}

const weights = randomFloats(2, ROWS * COLUMNS);
const bias = randomFloats(3, ROWS);
const rounded = weights.map((value) => Math.sign(value) * Math.min(1, Math.round(Math.abs(value))));
const shifted = bias.map((value) => value + 0.25);
const [q, k] = roles.map((role) => layer(role, weights, bias)) as [Layer, Layer];

describe("errors of layers", () => {
  it("are those of their results, biases included", async () => {
    const models = [
      new Map([
        [q.role, layer(q.role, rounded, shifted)],
        [k.role, layer(k.role, weights, shifted)],
      ]),
      new Map([[k.role, k]]),
    ];
    const [first = [], second = []] = await layerErrors([q, k], models, moments, { threads: 1 });
    const whole = energy(weights, bias);
    const offset = shifted.map((value, i) => value - bias[i]!);
    const lost = energy(
      rounded.map((value, i) => value - weights[i]!),
      offset,
    );
    expect(first.map(({ role }) => role)).toEqual(roles);
    expect(first[0]?.error).toBeCloseTo(lost / whole, 6);
    expect(first[1]?.error).toBeCloseTo(energy(new Float32Array(weights.length), offset) / whole, 6);
    expect(second).toEqual([{ role: k.role, error: 0 }]);
  });

  it("are averaged by kind", () => {
    const errors = [
      { role: "double.0.img.q", error: 0.25 },
      { role: "double.1.img.q", error: 0.75 },
      { role: "single.0.modulation", error: 0.5 },
    ];
    expect([...meansByKind(errors)]).toEqual([
      ["double.img.q", 0.5],
      ["single.modulation", 0.5],
    ]);
  });
});

describe("layers of a bundle", () => {
  const own = ["q", "k", "v", "out"].map((name, i) =>
    layer(`double.0.img.${name}`, randomFloats(i, 2 * COLUMNS), randomFloats(10 + i, 2)),
  );
  const joint = (role: string) => layer(role, randomFloats(5, 6 * COLUMNS), randomFloats(6, 6));

  it("are parts of those that it computes in one", () => {
    const fused = joint("double.0.img.qkv");
    const { found, left } = byRoleOf(own, [fused, own[3] ?? fused]);
    expect([...found.keys()]).toEqual(own.map(({ role }) => role));
    expect(found.get("double.0.img.v")?.read(1, 2)).toEqual(fused.read(5, 6));
    expect(found.get("double.0.img.out")?.read(0, 2)).toEqual(own[3]?.read(0, 2));
    expect(left).toEqual([]);
  });

  it("without a counterpart are named", () => {
    const strange = [joint("double.0.img.qk"), joint("double.9.img.qkv")];
    const { found, left } = byRoleOf(own, strange);
    expect(found.size).toBe(0);
    expect(left).toEqual(strange.map(({ role }) => role));
  });
});

describe("ternary layers of a graph", () => {
  const codes = Array.from({ length: 80 }, (_, i) => (i % 3) - 1);
  const graphOf = (shape: string, scales: string) =>
    parseGraph(
      `graph "ternary" {
        input %x: f32[1, 40]
        const %codes: i8[2, 40] = cast(f32[2, 40] [${codes.join(", ")}])
        const %scales: f32[${shape}] = [${scales}]
        const %bias: f32[2] = [8, 9]
        %y: f32[1, 2] = ternary-linear(%x, %codes, %scales, %bias) {"role": "double.0.img.q", "activation": "none", "gated": false, "quantized": false}
        output %y
      }`,
      "test",
    );

  it.each([
    ["each row", "2", "2, 3", (row: number) => [2, 3][row] ?? 0],
    [
      "each group of 32 inputs, the last one shorter",
      "2, 2",
      "2, 3, 5, 7",
      (row: number, column: number) => [2, 3, 5, 7][2 * row + Number(column >= 32)] ?? 0,
    ],
  ])("have a scale for %s", (_, shape, scales, scaleAt) => {
    const [found] = layersOf(graphOf(shape, scales), fileReader());
    const wanted = codes.map((code, i) => code * scaleAt(Math.floor(i / 40), i % 40));
    expect(found?.read(0, 2)).toEqual({
      weights: Float32Array.from(wanted),
      bias: Float32Array.of(8, 9),
    });
    expect(found?.read(1, 2)).toEqual({
      weights: Float32Array.from(wanted.slice(40)),
      bias: Float32Array.of(9),
    });
  });
});
