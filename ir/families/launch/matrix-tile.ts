import {
  lanesFeature,
  MATRIX_OPERANDS,
  MATRIX_SHAPES,
  type MatrixShape,
  matrixFeature,
  SUBGROUP_MATRIX,
} from "./features.js";
import { type ConfigOf, threads } from "./form.js";

/** WGSL with matrices of subgroups: subgroupsY·blocksM·M rows and subgroupsX·blocksN·N columns. */
export const MATRIX_DIMENSIONS = {
  operands: MATRIX_OPERANDS,
  shape: MATRIX_SHAPES,
  /** Invocations of a subgroup. */
  lanes: [8, 16, 32, 64],
  subgroupsX: [1, 2, 4],
  subgroupsY: [1, 2, 4],
  /** Matrices of sums that a subgroup keeps. */
  blocksM: [1, 2, 4],
  blocksN: [1, 2, 4],
  /** Elements of k in workgroup memory at a time. */
  stage: [32, 64],
} as const;

export type MatrixConfig = ConfigOf<typeof MATRIX_DIMENSIONS>;

/** Rows, columns and products of a shape. */
export function matrixSizes(shape: MatrixShape): {
  readonly m: number;
  readonly n: number;
  readonly k: number;
} {
  const [m = 0, n = 0, k = 0] = shape.split("x").map(Number);
  return { m, n, k };
}

/** Elements from row to row in workgroup memory: 16 bytes more than a stage, against bank conflicts. */
export function matrixPitch({ operands, stage }: Pick<MatrixConfig, "operands" | "stage">): number {
  return stage + (operands === "i8" ? 16 : 8);
}

export const matrixNeeds = ({ operands, shape, lanes }: MatrixConfig): readonly string[] => [
  SUBGROUP_MATRIX,
  matrixFeature(operands, shape),
  lanesFeature(lanes),
];

export function matrixTile(config: MatrixConfig) {
  const { operands, shape, lanes, subgroupsX, subgroupsY, blocksM, blocksN } = config;
  const { m, n } = matrixSizes(shape);
  const subgroups = subgroupsX * subgroupsY;
  const [columns, rows] = [subgroupsX * blocksN * n, subgroupsY * blocksM * m];
  const elementBytes = operands === "i8" ? 1 : 2;
  return {
    workgroup: threads(lanes * subgroups),
    tile: [columns, rows, 1],
    // Both operands, and a matrix of sums for each subgroup on its way out.
    sharedBytes: (rows + columns) * matrixPitch(config) * elementBytes + subgroups * m * n * 4,
  } as const;
}
