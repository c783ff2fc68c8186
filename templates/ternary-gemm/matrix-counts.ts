/** Counts of ternary products by matrices of subgroups: the loops of `matrix.wgsl.hbs`. */
import { paddedK } from "../../ir/families/contract/arguments.js";
import { type MatrixConfig, matrixSizes } from "../../ir/families/launch/matrix-tile.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import type { Counts, Launched } from "../choice/cost.js";
import { BARRIER, type Invocation, total } from "../wgsl/counts.js";
import { gemmCounts, storing } from "../wgsl/gemm-counts.js";

/** Codes of one word. */
const CODES = 16;
/** Instructions of a loop for each turn. */
const TURN = 3;

/** A stage of both operands goes through workgroup memory, from where subgroups load matrices; sums leave by it too. */
export function matrixCounts(params: TernaryGemmParams, config: MatrixConfig, launched: Launched): Counts {
  const { n, k } = params;
  const { operands, shape, lanes, blocksM, blocksN, stage } = config;
  const { launch, speed } = launched;
  const [tileN, tileM] = launch.tile;
  const [threads] = launch.workgroup;
  const isHalf = operands === "f16";
  const elementBytes = isHalf ? 2 : 1;
  const { m, n: columns, k: products } = matrixSizes(shape);
  const sums = m * columns;
  /** A subgroup's access to so many bytes. */
  const access = (bytes: number): Invocation => ({ other: 2, shared: [[1, bytes / 16]] });
  // Four elements of a row, and a word of codes.
  const row: Invocation = {
    loads: isHalf ? 4 : 1,
    other: isHalf ? 30 : 14,
    shared: [[isHalf ? 4 : 1, speed.lanes / 4]],
  };
  const word: Invocation = {
    loads: 1,
    other: isHalf ? 76 : 24,
    shared: [[isHalf ? CODES : 4, speed.lanes / 4]],
  };
  const staged = total([
    [(tileM * stage) / 4 / threads, row],
    [(tileN * stage) / CODES / threads, word],
    [2, { other: BARRIER }],
    [
      stage / products,
      total([
        [1, { other: TURN + blocksM * blocksN }],
        [blocksM, access(m * products * elementBytes)],
        [blocksN, access(columns * products * elementBytes)],
      ]),
    ],
  ]);
  const leaving = total([
    [1, access(sums * 4)],
    [2, { other: BARRIER }],
    [sums / lanes, storing(params)],
    [sums / lanes, { other: 8, shared: [[1, speed.lanes / 4]] }],
  ]);
  const stages = Math.ceil(k / stage);
  const counts = gemmCounts(
    total([
      [stages, staged],
      [blocksM * blocksN, leaving],
    ]),
    // Rows beyond the last are multiplied too.
    { blockM: tileM, blockN: 0 },
    {
      ...{ n, rowBytes: isHalf ? 4 * k : paddedK(k), columnBytes: paddedK(k) / 4, resultBytes: 4 * n },
      operands:
        (blocksM * blocksN * sums + ((blocksM * m + blocksN * columns) * products * elementBytes) / 4) /
        lanes,
    },
    launched,
  );
  const operations = 2 * tileM * tileN * stages * stage;
  return { ...counts, each: { ...counts.each, [isHalf ? "tensorF16" : "tensorInt8"]: operations } };
}
