import { describe, expect, it } from "vitest";
import type { DeviceDType } from "../../ir/program/program.js";
import type { Architecture } from "../../targets/index.js";
import { bfloatBytes } from "../support/bfloat.js";
import { type CudaSource, rowArg, runCudaSource, wholeArg } from "../support/cuda-source.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { type Data, matrix, output } from "../support/launch.js";
import { product, values } from "../support/matrix-product.js";

function stored(dtype: DeviceDType, from: ArrayLike<number>): Data {
  if (dtype === "bf16") return bfloatBytes(from);
  if (dtype === "u8") return Uint8Array.from(from);
  return Int8Array.from(from);
}

interface MatrixInstruction {
  readonly name: string;
  readonly architecture: Architecture;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: DeviceDType;
  readonly b: DeviceDType;
  readonly sum: DeviceDType;
  readonly file: string;
  /** From rows `a` and `b` in memory to `d`; element (i, j) is stored for every lane by `rows` and `columns`. */
  readonly body: string;
}

const G = "const unsigned lane = threadIdx.x, g = lane / 4, c = lane % 4;";
const WORD = "const auto word = [](const void* at) { return *reinterpret_cast<const unsigned*>(at); };";
const STORE = `for (int i = 0; i < 4; i++) out[(g + i / 2 * 8) * 8 + 2 * c + i % 2] = d[i];`;

const INSTRUCTIONS: readonly MatrixInstruction[] = [
  ...(["u8", "i8"] as const).map((a): MatrixInstruction => {
    const letters = a === "u8" ? "u8s8" : "s8s8";
    return {
      name: `mma_m16n8k32_${letters}`,
      architecture: "sm_80",
      m: 16,
      n: 8,
      k: 32,
      a,
      b: "i8",
      sum: "i32",
      file: "mma",
      body: `
        const unsigned fa[4] = {word(a + g * 32 + 4 * c), word(a + (g + 8) * 32 + 4 * c), word(a + g * 32 + 16 + 4 * c),
                                word(a + (g + 8) * 32 + 16 + 4 * c)};
        const unsigned fb[2] = {word(b + g * 32 + 4 * c), word(b + g * 32 + 16 + 4 * c)};
        int d[4] = {1, 1, 1, 1};
        mma_m16n8k32_${letters}(d, fa, fb);
        ${STORE}`,
    };
  }),
  ...(["u8", "i8"] as const).map((a): MatrixInstruction => {
    const letters = a === "u8" ? "u8s8" : "s8s8";
    return {
      name: `mma_m8n8k16_${letters}`,
      architecture: "sm_75",
      m: 8,
      n: 8,
      k: 16,
      a,
      b: "i8",
      sum: "i32",
      file: "mma-turing",
      body: `
        int d[2] = {1, 1};
        mma_m8n8k16_${letters}(d, word(a + g * 16 + 4 * c), word(b + g * 16 + 4 * c));
        for (int i = 0; i < 2; i++) out[g * 8 + 2 * c + i] = d[i];`,
    };
  }),
  {
    name: "mma_m16n8k16_bf16",
    architecture: "sm_80",
    m: 16,
    n: 8,
    k: 16,
    a: "bf16",
    b: "bf16",
    sum: "f32",
    file: "mma",
    body: `
      const unsigned fa[4] = {word(a + g * 16 + 2 * c), word(a + (g + 8) * 16 + 2 * c), word(a + g * 16 + 8 + 2 * c),
                              word(a + (g + 8) * 16 + 8 + 2 * c)};
      const unsigned fb[2] = {word(b + g * 16 + 2 * c), word(b + g * 16 + 8 + 2 * c)};
      float d[4] = {1, 1, 1, 1};
      mma_m16n8k16_bf16(d, fa, fb);
      ${STORE}`,
  },
  {
    name: "mma_m16n8k8_tf32",
    architecture: "sm_80",
    m: 16,
    n: 8,
    k: 8,
    a: "bf16",
    b: "bf16",
    sum: "f32",
    file: "mma-tf32",
    body: `
      const auto value = [](const bf16* at) { return cvt_tf32(toFloat(*at)); };
      const unsigned fa[4] = {value(a + g * 8 + c), value(a + (g + 8) * 8 + c), value(a + g * 8 + c + 4),
                              value(a + (g + 8) * 8 + c + 4)};
      const unsigned fb[2] = {value(b + g * 8 + c), value(b + g * 8 + c + 4)};
      float d[4] = {1, 1, 1, 1};
      mma_m16n8k8_tf32(d, fa, fb);
      ${STORE}`,
  },
  {
    name: "mma_m16n8k8_f16",
    architecture: "sm_75",
    m: 16,
    n: 8,
    k: 8,
    a: "bf16",
    b: "bf16",
    sum: "f32",
    file: "mma-turing",
    body: `
      const auto halves = [](const bf16* at) { return cvt_f16x2(toFloat(at[0]), toFloat(at[1])); };
      const unsigned fa[2] = {halves(a + g * 8 + 2 * c), halves(a + (g + 8) * 8 + 2 * c)};
      float d[4] = {1, 1, 1, 1};
      mma_m16n8k8_f16(d, fa, halves(b + g * 8 + 2 * c));
      ${STORE}`,
  },
  {
    name: "ldmatrix_x4 and ldmatrix_x2",
    architecture: "sm_80",
    m: 16,
    n: 8,
    k: 32,
    a: "u8",
    b: "i8",
    sum: "i32",
    file: "mma",
    body: `
      __shared__ __align__(16) unsigned char rows[24 * 32];
      for (int i = 0; i < 16; i++) rows[i * 32 + lane] = a[i * 32 + lane];
      for (int i = 0; i < 8; i++) rows[(16 + i) * 32 + lane] = (unsigned char)b[i * 32 + lane];
      __syncwarp();
      unsigned fa[4], fb[2];
      ldmatrix_x4(fa, rows + lane % 16 * 32 + lane / 16 * 16);
      ldmatrix_x2(fb, rows + (16 + lane % 8) * 32 + lane / 8 % 2 * 16);
      int d[4] = {1, 1, 1, 1};
      mma_m16n8k32_u8s8(d, fa, fb);
      ${STORE}`,
  },
  {
    name: "ldmatrix_x2_trans of rows along k",
    architecture: "sm_80",
    m: 16,
    n: 8,
    k: 16,
    a: "bf16",
    b: "bf16",
    sum: "f32",
    file: "mma",
    body: `
      __shared__ __align__(16) bf16 rows[16 * 16], columns[16 * 8];
      for (int i = lane; i < 256; i += 32) rows[i] = a[i];
      for (int i = lane; i < 128; i += 32) columns[i % 16 * 8 + i / 16] = b[i];
      __syncwarp();
      unsigned fa[4], fb[2];
      ldmatrix_x4(fa, rows + lane % 16 * 16 + lane / 16 * 8);
      ldmatrix_x2_trans(fb, columns + lane % 16 * 8);
      float d[4] = {1, 1, 1, 1};
      mma_m16n8k16_bf16(d, fa, fb);
      ${STORE}`,
  },
];

describe.each(["sm_75", "sm_80"] as const)("matrix instructions of %s", (architecture) => {
  const { devices } = cudaDevices(architecture);
  it.each(INSTRUCTIONS.filter((instruction) => instruction.architecture === architecture))(
    "$name multiplies",
    async ({ m, n, k, a, b, sum, file, body }) => {
      const left = values(1, m * k, a === "u8" ? 240 : -8);
      const right = values(2, n * k, -128);
      const kernel: CudaSource = {
        args: [wholeArg("a", a), wholeArg("b", b), rowArg("out", sum, "write")],
        threads: 32,
        declarations: [
          `#include "cuda/ptx/${file}.cuh"`,
          '#include "cuda/ptx/f16.cuh"',
          '#include "cuda/ptx/ldmatrix.cuh"',
        ].join("\n"),
        body: `
          const auto* a = rowOf(arguments.a, arguments.step, 0);
          const auto* b = rowOf(arguments.b, arguments.step, 0);
          auto* out = rowOf(arguments.out, arguments.step, 0);
          ${G}
          ${WORD}
          ${body}`,
      };
      const expected = product(left, right, m, n, k).map((x) => x + 1);
      for (const device of Object.values(devices())) {
        const { out } = await runCudaSource(device, kernel, {
          rows: m,
          args: {
            a: matrix(stored(a, left), m, k),
            b: matrix(stored(b, right), n, k),
            out: output(m, n),
          },
          grid: [1, 1, 1],
        });
        expect([...out!]).toEqual(expected);
      }
    },
  );
});
