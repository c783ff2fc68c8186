import type { KernelArg, ScalarType } from "../program/program.js";
import { stridedArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { type Size, scalar } from "./contract/sizes.js";
import { form, threads } from "./launch/form.js";

export type MatmulParams = Readonly<Record<never, never>>;

const product = form<MatmulParams>();

const [batch, m, n, k] = [scalar(0), scalar(1), scalar(2), scalar(3)];

/** A batch of matrices, their strides in the scalars from `first` on; columns are contiguous where they have none. */
function matrices(
  name: string,
  sizes: readonly [Size, Size],
  first: number,
  columns: Size,
  access: KernelArg["access"] = "read",
) {
  const [rows, width] = sizes;
  return stridedArg(
    name,
    "f32",
    [
      { size: batch, stride: scalar(first) },
      { size: rows, stride: scalar(first + 1) },
      { size: width, stride: columns },
    ],
    access,
  );
}

/**
 * out[batch, m, n] = a[batch, m, k] · b[batch, k, n] in f32, all sizes and strides at run time. Row strides of the
 * arguments are ignored; rows = batch·m. Scalars: batch, m, n, k, strides of a (batch, row, column), of b (batch,
 * row, column) and of out (batch, row), in elements; out columns are contiguous. Grid: n, m, batch.
 */
export const matmul = defineFamily({
  params: {},
  forms: {
    wat: {
      matmul: product({
        dimensions: { tileN: [32], tileM: [8] },
        launch: (_, { tileN, tileM }) => ({ tile: [tileN, tileM, 1] }),
      }),
    },
    wgsl: {
      /** 8 x 8 invocations of 4 x 4 outputs, 16 k at a time. */
      tiled: product({
        dimensions: {},
        launch: () => ({ workgroup: [8, 8, 1], tile: [32, 32, 1], sharedBytes: (32 * 17 + 16 * 33) * 4 }),
      }),
    },
    cuda: {
      /** A square tile; threads of 4 rows of outputs, 16 along columns; a stage of k in shared memory. */
      tiled: product({
        dimensions: { tile: [32, 64, 128], stage: [8, 16, 32] },
        needs: () => ["sm_70"],
        launch: (_, { tile, stage }) => ({
          workgroup: threads(4 * tile),
          tile: [tile, tile, 1],
          // Sums, what was loaded of both operands, addresses.
          registers: tile / 4 + stage / 2 + 32,
        }),
      }),
    },
  },
  args: () => [
    matrices("a", [m, k], 4, scalar(6)),
    matrices("b", [k, n], 7, scalar(9)),
    matrices("out", [m, n], 10, 1, "write"),
  ],
  scalars: () => new Array<ScalarType>(12).fill("u32"),
  grid: () => [n, m, batch],
  rows: () => scalar(0, 1),
  operations: (_, { scalars }) => ({ f32: scalars.slice(0, 4).reduce((product, size) => product * size, 2) }),
});
