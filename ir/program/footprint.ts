import { weightLayout } from "../families/layout.js";
import { Params } from "../families/params.js";
import { codeRowBytes, isTernaryStorage } from "../ternary/storage.js";
import type { Kernel } from "./program.js";

/** A launch with its symbols replaced by numbers. */
export interface LaunchNumbers {
  readonly rows: number;
  readonly scalars: readonly number[];
  readonly rowStrides: readonly number[];
}

type Size = (launch: LaunchNumbers) => number;

/** What every launch of a kernel touches. */
export interface Footprint {
  /** By argument: elements from its offset to the end of what the launch reads or writes there; 0 for nothing. */
  readonly extents: readonly Size[];
  /** By argument: how many different elements of it the launch touches. */
  readonly elements: readonly Size[];
  /** By argument: the axes along which its elements lie. */
  readonly axes: readonly (readonly Axis[])[];
  /** Sizes in x, y, z that the grid has to cover; null for a family that is not known here. */
  readonly grid: readonly [Size, Size, Size] | null;
  /** The rows that a launch must have, where they follow from its scalars or its kernel. */
  readonly rows: Size | null;
}

/** One axis of the index space of an argument. */
export interface Axis {
  readonly size: Size;
  readonly stride: Size;
}

/** A family whose arguments are matrices of rows. */
interface RowFamily {
  /** Elements of a row, by argument name; weights in a device layout are one row. */
  readonly widths: Readonly<Record<string, number | Size>>;
  /** Rows of arguments that each row of the launch sees as a whole, where there are several. */
  readonly tables?: Readonly<Record<string, Size>>;
  readonly grid?: readonly [Size, Size, Size];
  readonly rows?: number;
}

const one: Size = () => 1;
const rows: Size = (launch) => launch.rows;
const fixed =
  (value: number): Size =>
  () =>
    value;
/** A missing scalar gives NaN, which fits nowhere. */
const scalar =
  (index: number): Size =>
  (launch) =>
    launch.scalars[index] ?? Number.NaN;

const PLAIN_BYTES: Readonly<Record<string, number>> = { f32: 4, f16: 2, bf16: 2 };

/** What each family's `ir/families/<family>.ts` documents, as sizes. */
const ROW_FAMILIES: Readonly<Record<string, (p: Params) => RowFamily>> = {
  "ternary-gemm": (p) => ({
    ...gemm(p),
    widths: { ...gemm(p).widths, ...quantized(p.size("k")), ...heads(p) },
  }),
  "dense-gemm": gemm,
  attention(p) {
    const width = p.size("heads") * p.size("headDim");
    return {
      widths: { q: width, k: width, v: width, out: width },
      tables: { k: scalar(0), v: scalar(0) },
      grid: [fixed(p.size("heads")), rows, one],
    };
  },
  adaln: (p) => ({ widths: { ...channels(p), out: p.size("c") } }),
  "adaln-quantize": (p) => ({ widths: { ...channels(p), ...quantized(p.size("c")) } }),
  "quantize-rows": (p) => ({ widths: { ...channels(p), ...rowParts(p), ...quantized(p.size("c")) } }),
  "qk-norm-rope"(p) {
    const headDim = p.size("headDim");
    const width = p.size("heads") * headDim;
    return { widths: { x: width, weight: headDim, cos: headDim / 2, sin: headDim / 2, out: width } };
  },
  "layer-norm": (p) => ({ widths: { ...channels(p), bias: p.size("c"), out: p.size("c") } }),
  "rope-table"(p) {
    const axes = p.sizes("axesDims");
    const pairs = axes.reduce((sum, dim) => sum + dim, 0) / 2;
    return { widths: { ids: axes.length, cos: pairs, sin: pairs } };
  },
  "timestep-embedding": (p) => ({ widths: { t: 1, out: p.size("dim") } }),
  reduce: () => ({ widths: { x: scalar(0), out: 1 } }),
  softmax: () => ({ widths: { x: scalar(0), out: scalar(0) } }),
  gather: (p) => ({
    widths: { table: p.size("c"), indices: 1, out: p.size("c") },
    tables: { table: scalar(0) },
  }),
  "euler-step": (p) => ({ widths: { x: p.size("c"), v: p.size("c"), dt: 1 } }),
  "unpack-trits": (p) => ({
    widths: { trits: p.size("n") * storedRowBytes(p) },
    grid: [rows, one, one],
    rows: p.size("n"),
  }),
  "unpack-dense": (p) => ({
    widths: { source: p.size("n") * p.size("k") * (PLAIN_BYTES[p.text("source")] ?? Number.NaN) },
    grid: [rows, one, one],
    rows: p.size("n"),
  }),
};

function storedRowBytes(p: Params): number {
  const storage = p.has("storage") ? p.text("storage") : "trits";
  return isTernaryStorage(storage) ? codeRowBytes(storage, p.size("k")) : Number.NaN;
}

function gemm(p: Params): RowFamily {
  const n = p.size("n");
  return {
    widths: { x: p.size("k"), scales: n, bias: n, gate: n, residual: n, out: n },
    grid: [fixed(n), rows, one],
  };
}

/** The weights of q's and k's norms side by side, and rows of the rotary tables. */
function heads(p: Params): RowFamily["widths"] {
  if (!p.has("heads")) return {};
  const headDim = p.member("heads", "headDim");
  return { headWeights: 2 * headDim, cos: headDim / 2, sin: headDim / 2 };
}

function channels(p: Params): RowFamily["widths"] {
  const c = p.size("c");
  return { x: c, shift: c, scale: c };
}

/** Rows whose parts lie in x0, x1, …. */
function rowParts(p: Params): RowFamily["widths"] {
  const parts = p.has("parts") ? p.sizes("parts") : [];
  return Object.fromEntries(parts.map((length, i) => [`x${i}`, length]));
}

/** Codes are padded to a multiple of 16. */
function quantized(k: number): RowFamily["widths"] {
  return { q: Math.ceil(k / 16) * 16, rowScale: 1, rowSum: 1 };
}

/**
 * The footprint of a kernel by its family and parameters. For a family that is not known here it is the first
 * element of each row. Throws TRITC_E_PROGRAM if a parameter that decides a size is missing.
 */
export function footprintOf(kernel: Kernel): Footprint {
  const params = new Params(kernel);
  if (kernel.family === "elementwise") return elementwise(kernel, params.size("rank"));
  if (kernel.family === "matmul") return matmul(kernel);
  const known = Object.hasOwn(ROW_FAMILIES, kernel.family) ? ROW_FAMILIES[kernel.family] : undefined;
  const family = known?.(params) ?? { widths: {} };
  const widths = { ...family.widths, weights: weightLayout(kernel)?.words ?? Number.NaN };
  const axes = kernel.args.map(({ name, byRow }, i): readonly Axis[] => {
    const width = (Object.hasOwn(widths, name) ? widths[name as keyof typeof widths] : undefined) ?? 1;
    const table = family.tables !== undefined && Object.hasOwn(family.tables, name);
    const count = table ? (family.tables?.[name] ?? one) : byRow ? rows : one;
    const stride: Size = (launch) => launch.rowStrides[i] ?? Number.NaN;
    return [
      { size: count, stride },
      { size: typeof width === "number" ? fixed(width) : width, stride: one },
    ];
  });
  return {
    ...touched(axes),
    grid: known === undefined ? null : (family.grid ?? [one, rows, one]),
    rows: family.rows === undefined ? null : fixed(family.rows),
  };
}

/** Scalars: the size of each axis, then one stride per axis for each argument. */
function elementwise(kernel: Kernel, rank: number): Footprint {
  const axes = Array.from({ length: Math.min(rank, kernel.scalars.length) }, (_, axis) => axis);
  const total: Size = (launch) => axes.reduce((product, axis) => product * scalar(axis)(launch), 1);
  const args = kernel.args.map((_, i) =>
    axes.map((axis) => ({ size: scalar(axis), stride: scalar(rank * (i + 1) + axis) })),
  );
  return { ...touched(args), grid: [total, one, one], rows: total };
}

/** Scalars: batch, m, n, k, strides of a (batch, row, column), of b (batch, row, column), of out (batch, row). */
function matmul(kernel: Kernel): Footprint {
  const [batch, m, n, k] = [scalar(0), scalar(1), scalar(2), scalar(3)];
  const operands = [
    [batch, m, k],
    [batch, k, n],
    [batch, m, n],
  ];
  const axes = kernel.args.map((_, i) => {
    const sizes = operands[i] ?? [];
    const stride = (axis: number) => (i === 2 && axis === 2 ? one : scalar(4 + 3 * i + axis));
    return sizes.map((size, axis) => ({ size, stride: stride(axis) }));
  });
  return { ...touched(axes), grid: [n, m, batch], rows: (launch) => batch(launch) * m(launch) };
}

function touched(axes: readonly (readonly Axis[])[]): Pick<Footprint, "extents" | "elements" | "axes"> {
  return { extents: axes.map(extentOf), elements: axes.map(elementsOf), axes };
}

/** An axis of stride 0 repeats the same elements. */
function elementsOf(axes: readonly Axis[]): Size {
  return (launch) =>
    axes.reduce((count, { size, stride }) => {
      const length = size(launch);
      return count * (stride(launch) === 0 ? Math.min(length, 1) : length);
    }, 1);
}

function extentOf(axes: readonly Axis[]): Size {
  return (launch) => {
    let last = 0;
    for (const axis of axes) {
      const size = axis.size(launch);
      if (size === 0) return 0;
      last += (size - 1) * axis.stride(launch);
    }
    return last + 1;
  };
}
