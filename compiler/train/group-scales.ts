import type { ValueId } from "../../ir/graph/graph.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import type { Builder } from "../gradient/builder.js";

/** Columns of a matrix [n, k] that hold `groups` groups of one size, from the group `first` on. */
interface Band {
  readonly start: number;
  readonly size: number;
  readonly first: number;
  readonly groups: number;
}

/** All groups of a row, and the last one by itself where it is shorter. */
function bandsOf(columns: number, group: GroupSize | null): readonly Band[] {
  const size = group ?? columns;
  const groups = Math.floor(columns / size);
  const rest = columns - groups * size;
  const bands = [
    { start: 0, size, first: 0, groups },
    { start: groups * size, size: rest, first: groups, groups: 1 },
  ];
  return bands.filter((band) => band.groups > 0 && band.size > 0);
}

function sizesOf(b: Builder, x: ValueId): readonly [rows: number, columns: number] {
  const [rows = 1, columns = 1] = b.shape(x).map(Number);
  return [rows, columns];
}

/** A matrix [n, k], each of its elements times the scale of its group: [n], or [n, groups]. */
export function scaledByGroups(b: Builder, x: ValueId, scales: ValueId, group: GroupSize | null): ValueId {
  const [rows, columns] = sizesOf(b, x);
  const matrix = b.rank(scales) === 1 ? b.reshape(scales, [rows, 1]) : scales;
  const scaled = bandsOf(columns, group).map(({ start, size, first, groups }) => {
    const parts = b.reshape(b.part(x, 1, start, groups * size), [rows, groups, size]);
    const product = b.mul(parts, b.reshape(b.part(matrix, 1, first, groups), [rows, groups, 1]));
    return b.reshape(product, [rows, groups * size]);
  });
  return b.concat(scaled, 1);
}

/** The sum over each group of a matrix [n, k]: [n], or [n, groups]. */
export function sumOfGroups(b: Builder, x: ValueId, group: GroupSize | null): ValueId {
  const [rows, columns] = sizesOf(b, x);
  if (group === null) return b.reduce("sum", x, [1], false);
  const sums = bandsOf(columns, group).map(({ start, size, groups }) =>
    b.reduce("sum", b.reshape(b.part(x, 1, start, groups * size), [rows, groups, size]), [2], false),
  );
  return b.concat(sums, 1);
}
