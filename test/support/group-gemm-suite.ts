import { describe, it } from "vitest";
import { encodeBytes } from "../../ir/constant/convert.js";
import { roundToHalf } from "../../ir/constant/float16.js";
import { denseLayout, ternaryLayout } from "../../ir/families/contract/weights.js";
import type { TernaryActivations } from "../../ir/families/ternary-gemm.js";
import type { Activation } from "../../ir/ops/linears.js";
import type { Tensor } from "../../ir/tensor.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { defineKernel } from "../../templates/index.js";
import { run } from "../interpret/run-op.js";
import { bfloatBytes, bfloatRounded } from "./bfloat.js";
import { expectOut } from "./expect-out.js";
import { storedCodes } from "./gemm.js";
import type { KernelDevices } from "./kernel-devices.js";
import { type Data, type LaunchRequest, matrix, output, runLaunch, vector } from "./launch.js";
import { randomFloats, randomInts } from "./random.js";

export interface GroupShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly group: GroupSize;
}

/** Around the tiles of every target; k that groups divide, and that ends with a short group of any length. */
const SHAPES: readonly GroupShape[] = [
  { m: 1, n: 8, k: 64, group: 32 },
  { m: 9, n: 3, k: 33, group: 32 },
  { m: 70, n: 72, k: 300, group: 128 },
  { m: 7, n: 65, k: 130, group: 64 },
  { m: 7, n: 20, k: 514, group: 256 },
  { m: 33, n: 13, k: 512, group: 256 },
  // Large enough for kernels of unrolled loops.
  { m: 3, n: 1030, k: 1040, group: 128 },
];

/** Every ternary gemm with scales of groups against the interpreter: int8 rows to the bit. */
export function groupGemmSuite(
  kernelDevices: KernelDevices,
  tested: readonly ("i8" | "f32" | "bf16")[] = ["i8", "f32"],
  shapes: readonly GroupShape[] = SHAPES,
): void {
  const { target, devices } = kernelDevices;
  const floats = tested.filter((activations) => activations !== "i8");

  async function loaded(n: number, k: number, group: GroupSize, activations: TernaryActivations) {
    const codes = Int8Array.from(randomInts(n * 31 + k, n * k, -1, 1));
    // The largest sums that there are.
    codes.fill(1, 0, k);
    const groups = groupsOf(k, group);
    const scales = randomFloats(n + k, n * groups, 0.2).map(roundToHalf);
    const [device] = Object.values(devices());
    const unpacked = async (
      definition: ReturnType<typeof defineKernel>,
      args: LaunchRequest["args"],
    ): Promise<Data> => {
      const { weights } = await runLaunch(device!, definition, { rows: n, args, grid: [n, 1, 1] });
      return weights!;
    };
    const words = { codes: ternaryLayout({ n, k, activations }), scales: denseLayout({ n, k: groups }) };
    return {
      codes: { dtype: "i8", shape: [n, k], data: codes } satisfies Tensor,
      scales: { dtype: "f32", shape: [n, groups], data: scales } satisfies Tensor,
      args: {
        weights: vector(
          await unpacked(defineKernel("unpack-trits", { n, k, activations }, target), {
            trits: storedCodes(codes, n, k),
            weights: output(1, words.codes.words[target.language]),
          }),
        ),
        scales: vector(
          await unpacked(defineKernel("unpack-dense", { n, k: groups, source: "f16" }, target), {
            source: matrix(encodeBytes("f16", scales), n, 2 * groups),
            weights: output(1, words.scales.words[target.language]),
          }),
        ),
      },
    };
  }

  interface Epilogue {
    readonly activation: Activation;
    readonly bias: Float32Array<ArrayBuffer> | null;
    readonly gate: Float32Array<ArrayBuffer> | null;
    readonly residual: Float32Array<ArrayBuffer> | null;
  }
  const PLAIN: Epilogue = { activation: "none", bias: null, gate: null, residual: null };

  async function check(
    { m, n, k, group }: GroupShape,
    activations: TernaryActivations,
    { activation, bias, gate, residual }: Epilogue,
    tolerance?: { readonly absolute: number; readonly relative: number },
  ): Promise<void> {
    const weights = await loaded(n, k, group, activations);
    const quantized = activations === "i8";
    const x = activations === "bf16" ? bfloatRounded(randomFloats(m + k, m * k)) : randomFloats(m + k, m * k);
    // The largest codes in a row.
    if (quantized) x.fill(3, 0, k);
    const rows: Tensor = { dtype: "f32", shape: [m, k], data: x };
    const optional = (data: Float32Array | null, shape: readonly number[]): Tensor[] =>
      data === null ? [] : [{ dtype: "f32", shape, data }];
    const operands = quantized ? run("quantize-rows", {}, [rows], 3) : [rows];
    const gated = gate !== null;
    const [wanted] = run("ternary-linear", { role: null, activation, gated, quantized }, [
      ...operands,
      weights.codes,
      weights.scales,
      optional(bias, [n])[0] ?? null,
      ...optional(gate, [1, n]),
      ...optional(residual, [m, n]),
    ]);
    const kPad = Math.ceil(k / 16) * 16;
    const q = new Int8Array(m * kPad);
    if (quantized)
      for (let r = 0; r < m; r++)
        q.set((operands[0]!.data as Int8Array).subarray(r * k, (r + 1) * k), r * kPad);
    const params = { n, k, group, activations, activation, bias: bias !== null, gated } as const;
    const request = {
      rows: m,
      args: {
        ...weights.args,
        ...(quantized
          ? {
              q: matrix(q, m, kPad, { rowStride: kPad + 16, offset: 16 }),
              rowScale: matrix(operands[1]!.data as Float32Array, m, 1, { rowStride: 2, offset: 4 }),
            }
          : {
              x: matrix(activations === "bf16" ? bfloatBytes(x) : x, m, k, { rowStride: k + 5, offset: 7 }),
            }),
        ...(bias === null ? {} : { bias: { ...matrix(bias, 1, n, { offset: 3 }), launchStride: 0 } }),
        ...(gate === null ? {} : { gate: vector(gate) }),
        ...(residual === null ? {} : { residual: matrix(residual, m, n, { rowStride: n + 4 }) }),
        // Aligned where rows of n may be.
        out: output(m, n, { rowStride: n + (n % 4 === 0 ? 4 : 3), offset: 8 }),
      },
      grid: [n, m, 1],
    } as const;
    const definition = defineKernel("ternary-gemm", params, target);
    await expectOut(kernelDevices, definition, request, wanted!.data as Float32Array, tolerance);
  }

  describe("ternary-gemm with scales of groups", () => {
    const epilogue = (activation: Activation): Epilogue => {
      const { m, n } = SHAPES[3]!;
      return {
        activation,
        bias: randomFloats(4, n),
        gate: randomFloats(5, n),
        residual: randomFloats(6, m * n),
      };
    };
    it.each(shapes)("int8 rows, to the bit: $m x $n x $k in groups of $group", async (shape) => {
      await check(shape, "i8", PLAIN);
    });
    for (const activations of floats)
      it.each(shapes)(`${activations} rows: $m x $n x $k in groups of $group`, async (shape) => {
        await check(shape, activations, PLAIN, { absolute: 1e-5 * Math.sqrt(shape.k), relative: 1e-5 });
      });
    it.each(["none", "silu", "gelu-tanh", "gelu-erf"] as const)(
      "bias, %s, gate and residual",
      async (activation) => {
        await check(SHAPES[3]!, "i8", epilogue(activation), { absolute: 1e-5, relative: 2e-6 });
        for (const rows of floats)
          await check(SHAPES[3]!, rows, epilogue(activation), { absolute: 1e-4, relative: 1e-5 });
      },
    );
  });
}
