import { type Bindings, type Dim, evaluateDim } from "../../../ir/dim.js";
import { byteLength } from "../../../ir/dtype.js";
import type { CudaTensorMap, DeviceDType, Launch } from "../../../ir/program/program.js";
import type { LaunchArguments, PackedArgument } from "./arguments.js";
import { limitError } from "./errors.js";
import type { LoadedKernel } from "./loaded-kernels.js";

/** Blocks of a grid along x, y and z. */
const MAX_BLOCKS = [2 ** 31 - 1, 65_535, 65_535] as const;
const WORDS = 2 ** 32;

/** A tensor map with its addresses. */
export interface PlannedTensorMap {
  readonly dtype: DeviceDType;
  readonly address: bigint;
  /** Elements of a row, rows. */
  readonly size: readonly [number, number];
  readonly rowBytes: number;
  readonly box: readonly [number, number];
  readonly swizzle: CudaTensorMap["swizzle"];
}

/** One `cuLaunchKernel`. */
export interface PlannedLaunch {
  readonly label: string;
  readonly kernel: LoadedKernel;
  readonly grid: readonly [number, number, number];
  readonly args: LaunchArguments;
  /** Null for rows that no tensor map describes. */
  readonly tensorMaps: readonly (PlannedTensorMap | null)[];
}

/** How messages name a launch. */
export function launchPlace({ label, kernel, grid }: PlannedLaunch): string {
  return `launch ${label} (kernel ${kernel.kernel.id}, ${grid.join(" × ")} blocks)`;
}

/** What launches of one program are planned with. */
export interface PlanInputs {
  readonly bindings: Bindings;
  kernel(id: string): LoadedKernel;
  /** Device address of a buffer. */
  address(buffer: string): bigint;
  /** Device address of the step index. */
  readonly step: bigint;
  readonly multiprocessors: number;
}

/**
 * The launches that make up one of the program: none for an empty grid, several where its rows need more blocks than
 * a grid has. Throws TRITC_E_CUDA_LIMIT where CUDA cannot express it.
 */
export function planLaunch(launch: Launch, inputs: PlanInputs): readonly PlannedLaunch[] {
  const value = (dim: Dim): number => evaluateDim(dim, inputs.bindings);
  const loaded = inputs.kernel(launch.kernel);
  const { kernel, cuda } = loaded;
  const rows = value(launch.rows);
  const sizes = [0, 1, 2].map((axis) => {
    const entry = launch.grid[axis];
    return entry === undefined ? 1 : value(entry.size);
  });
  if (rows === 0 || sizes.includes(0)) return [];
  const place = `launch ${launch.label} (kernel ${kernel.id})`;
  const args = kernel.args.map((arg, i): PackedArgument => {
    const given = launch.args[i];
    if (given === undefined) throw new RangeError(`${place}: argument ${arg.name} has no buffer`);
    const [stride, stepStride] = [value(given.rowStride), value(given.stepStride)];
    if (stride >= WORDS || stepStride >= WORDS) {
      throw limitError(place, `the stride of ${arg.name}`, "32 bits", String(Math.max(stride, stepStride)));
    }
    const offset = BigInt(byteLength(arg.dtype, value(given.offset)));
    return { address: inputs.address(given.buffer) + offset, stride, stepStride };
  });
  const scalars = kernel.scalars.map((_, i) => value(launch.scalars[i] ?? 0));
  const most = rowsAtOnce(loaded, sizes, rows);
  const planned: PlannedLaunch[] = [];
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    const part: LaunchArguments = {
      rows: count,
      step: inputs.step,
      args: args.map((arg, i) =>
        kernel.args[i]?.byRow ? { ...arg, address: rowAddress(loaded, i, arg, first) } : arg,
      ),
      scalars: scalars.map((value, i) => (kernel.scalars[i] === "row" ? first : value)),
    };
    const tiles = sizes.map((size, axis) => {
      const part = axis === 1 && most < rows ? count : size;
      return Math.ceil(part / (cuda.tile[axis] ?? 1));
    });
    planned.push({
      label: launch.label,
      kernel: loaded,
      grid: gridOf(loaded, tiles, inputs.multiprocessors, place),
      args: part,
      tensorMaps: cuda.tensorMaps.map((map) => planTensorMap(map, loaded, part, place)),
    });
  }
  return planned;
}

/** How many rows one launch may take: all, unless the grid's second axis is one of rows and too long. */
function rowsAtOnce({ kernel, cuda }: LoadedKernel, sizes: readonly number[], rows: number): number {
  const most = MAX_BLOCKS[1] * cuda.tile[1];
  const divisible = kernel.args.every((arg) => arg.byRow || arg.access === "read");
  return !cuda.persistent && divisible && sizes[1] === rows && rows > most ? most : rows;
}

function rowAddress({ kernel }: LoadedKernel, index: number, arg: PackedArgument, row: number): bigint {
  const bytes = byteLength(kernel.args[index]?.dtype ?? "f32", arg.stride);
  return arg.address + BigInt(row) * BigInt(bytes);
}

function gridOf(
  { cuda, blocksPerMultiprocessor, activeClusters }: LoadedKernel,
  tiles: readonly number[],
  multiprocessors: number,
  place: string,
): readonly [number, number, number] {
  const { cluster = 1 } = cuda;
  const [x = 1, y = 1, z = 1] = tiles;
  if (cuda.persistent) {
    const most = activeClusters ?? multiprocessors * (blocksPerMultiprocessor ?? 1);
    return [cluster * Math.min(x * y * z, most), 1, 1];
  }
  const blocks = [cluster * x, y, z] as const;
  for (const [axis, limit] of MAX_BLOCKS.entries()) {
    if ((blocks[axis] ?? 1) > limit) {
      throw limitError(place, "the grid", `at most ${MAX_BLOCKS.join(" × ")} blocks`, blocks.join(" × "));
    }
  }
  return blocks;
}

/** Null where the kernel reads the rows by itself; see `targets/cuda/abi.ts`. */
function planTensorMap(
  map: CudaTensorMap,
  { kernel }: LoadedKernel,
  { rows, args, scalars }: LaunchArguments,
  place: string,
): PlannedTensorMap | null {
  const [arg, packed] = [kernel.args[map.arg], args[map.arg]];
  if (arg === undefined || packed === undefined) throw new RangeError(`${place}: no argument ${map.arg}`);
  const count = map.rows === "launch" ? rows : (scalars[map.rows] ?? 0);
  const bytes = byteLength(arg.dtype, 1);
  // A single row may have any stride.
  const single = packed.stride === 0 && count === 1;
  const rowBytes = single ? Math.ceil((map.columns * bytes) / 16) * 16 : packed.stride * bytes;
  const fits = packed.address % 16n === 0n && rowBytes % 16 === 0 && rowBytes > 0 && packed.stepStride === 0;
  if (fits) {
    const { box, swizzle } = map;
    return { dtype: arg.dtype, address: packed.address, size: [map.columns, count], rowBytes, box, swizzle };
  }
  if (arg.dtype !== "i8") return null;
  throw limitError(
    place,
    `the layout of ${arg.name}, which is read through a tensor map,`,
    "rows that start at multiples of 16 bytes, the same ones at every step",
    `address ${packed.address % 16n} past a multiple of 16, ${rowBytes} bytes from row to row, step stride ${packed.stepStride}`,
  );
}
