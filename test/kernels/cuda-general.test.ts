import { describe, expect, it } from "vitest";
import { binary, constant, input, unary, where } from "../../ir/families/expression.js";
import { defineKernel } from "../../templates/index.js";
import { bfloatBytes, bfloatRounded, bfloatValues } from "../support/bfloat.js";
import { expectClose } from "../support/compare.js";
import { activate } from "../support/gemm.js";
import { generalSuite } from "../support/general-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch } from "../support/launch.js";
import { randomFloats, randomInts } from "../support/random.js";

const cuda = cudaDevices();
const device = () => Object.values(cuda.devices())[0]!;

generalSuite(cuda);

describe("elementwise in vectors and without", () => {
  // More than one block; a last axis that vectors divide or not; operands that are aligned or not.
  const cases = [
    { columns: 24, offset: 0 },
    { columns: 24, offset: 3 },
    { columns: 24, offset: 8, padding: 1 },
    { columns: 21, offset: 0 },
  ];

  it.each(cases)(
    "modulates f32 with factors of a row: $columns columns, offset $offset",
    async ({ columns, offset, padding = 0 }) => {
      const sizes = [3, 43, columns] as const;
      const count = 3 * 43 * columns;
      const [x, shift, scale] = [randomFloats(1, count), randomFloats(2, 3 * columns), randomFloats(3, 3)];
      const expected = Float64Array.from(x, (v, i) => {
        const batch = Math.floor(i / (43 * columns));
        return v * (1 + scale[batch]!) + shift[batch * columns + (i % columns)]!;
      });
      const expression = binary(
        "add",
        binary("mul", input(0), binary("add", input(2), constant(1))),
        input(1),
      );
      const params = { rank: 3, inputs: ["f32", "f32", "f32"], output: "f32", expression } as const;
      const pitch = columns + padding;
      const { out } = await runLaunch(device(), defineKernel("elementwise", params, cuda.target), {
        rows: count,
        args: {
          in0: matrix(x, 3 * 43, columns, { rowStride: pitch, offset }),
          in1: matrix(shift, 3, columns),
          in2: matrix(scale, 1, 3, { offset: 1 }),
          out: output(3 * 43, columns, { rowStride: pitch }),
        },
        scalars: [...sizes, 43 * pitch, pitch, 1, columns, 0, 1, 1, 0, 0, 43 * pitch, pitch, 1],
        grid: [count, 1, 1],
      });
      expectClose(out, expected, columns, { absolute: 1e-6 });
    },
  );

  it.each(cases)(
    "gates bf16 and rounds to nearest: $columns columns, offset $offset",
    async ({ columns, offset, padding = 0 }) => {
      const rows = 97;
      const pitch = columns + 8 * padding;
      const count = rows * columns;
      const x = bfloatRounded(randomFloats(4, count, 3));
      const gate = randomFloats(5, columns);
      const expected = Float32Array.from(x, (v, i) => activate(v, "gelu-tanh") * gate[i % columns]!);
      const params = {
        rank: 2,
        inputs: ["f32", "f32"],
        output: "f32",
        expression: binary("mul", unary("gelu-tanh", input(0)), input(1)),
        bf16: [0, 2],
      } as const;
      const { out } = await runLaunch(device(), defineKernel("elementwise", params, cuda.target), {
        rows: count,
        args: {
          in0: matrix(bfloatBytes(x), rows, columns, { rowStride: pitch, offset }),
          in1: matrix(gate, 1, columns, { offset: 4 }),
          out: output(rows, columns, { rowStride: pitch }),
        },
        scalars: [rows, columns, pitch, 1, 0, 1, pitch, 1],
        grid: [count, 1, 1],
      });
      // Half a unit in the last of 8 significant bits.
      expectClose(bfloatValues(out!), expected, columns, { relative: 2 ** -7.99, absolute: 1e-9 });
    },
  );

  it("copies bf16 to the bit, and f32 into it to the nearest even", async () => {
    const x = randomFloats(6, 2000, 100);
    const ties = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8, 3.3e38, Infinity, 1e-40);
    x.set(ties);
    const params = { rank: 1, inputs: ["f32"], output: "f32", expression: input(0) } as const;
    const through = async (bf16: readonly number[], data: Float32Array | Uint8Array) => {
      const definition = defineKernel("elementwise", { ...params, bf16 }, cuda.target);
      const { out } = await runLaunch(device(), definition, {
        rows: 2000,
        args: { in0: matrix(data, 1, 2000), out: output(1, 2000) },
        scalars: [2000, 1, 1],
        grid: [2000, 1, 1],
      });
      return out!;
    };
    const narrow = await through([1], x);
    expect(narrow).toEqual(bfloatBytes(x));
    expect(await through([0, 1], bfloatBytes(x))).toEqual(narrow);
    expect(await through([0], bfloatBytes(x))).toEqual(bfloatRounded(x));
  });

  it("keeps integers and conditions in vectors", async () => {
    const count = 1100;
    const [a, b] = [randomInts(7, count, -(2 ** 31), 2 ** 31 - 1), randomInts(8, count, -5, 5)];
    const mask = Uint32Array.from(randomInts(9, count, 0, 1));
    const params = {
      rank: 1,
      inputs: ["i32", "i32", "u32"],
      output: "i32",
      expression: where(input(2), binary("div", input(0), input(1)), binary("mul", input(0), input(1))),
    } as const;
    const { out } = await runLaunch(device(), defineKernel("elementwise", params, cuda.target), {
      rows: count,
      args: {
        in0: matrix(a, 1, count),
        in1: matrix(b, 1, count),
        in2: matrix(mask, 1, count),
        out: output(1, count),
      },
      scalars: [count, 1, 1, 1, 1],
      grid: [count, 1, 1],
    });
    // Division by zero gives 0.
    const quotient = (p: number, q: number) => (q === 0 ? 0 : Math.trunc(p / q));
    expect(out).toEqual(a.map((p, i) => (mask[i] === 1 ? quotient(p, b[i]!) : Math.imul(p, b[i]!))));
  });
});
