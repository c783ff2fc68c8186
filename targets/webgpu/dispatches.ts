import { type Bindings, evaluateDim } from "../../ir/dim.js";
import { byteLength } from "../../ir/dtype.js";
import type { RowRange } from "../../ir/families/contract/arguments.js";
import { WINDOW_ALIGNMENT } from "../../ir/families/contract/division.js";
import type { LaunchSizes } from "../../ir/families/contract/sizes.js";
import { stepWindow } from "../../ir/families/contract/step-window.js";
import { contractOf } from "../../ir/families/index.js";
import type { Kernel, Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import { bufferBytes } from "../memory/buffers.js";
import type { PlanLimits } from "../target.js";
import { uniformArgs } from "./abi.js";
import { limitError } from "./limit-error.js";
import {
  dividedPieces,
  fittingRows,
  type Piece,
  type PieceArg,
  type PlannedArg,
  rowPiece,
} from "./pieces.js";

/** Bytes [offset, offset + size) of a program buffer, as one binding sees them. */
export interface PlannedBinding {
  readonly buffer: string;
  readonly offset: number;
  readonly size: number;
  readonly uniform: boolean;
  /** Bound from a copy, because the dispatch writes the same memory or a uniform binding has to start here. */
  readonly copy: boolean;
  /** How much later the binding begins with each step; 0: it holds the elements of all steps. */
  readonly stepBytes: number;
}

/** One dispatch. `words` hold offsets from the bindings' starts; `steps` are added to them per denoising step. Bindings may move too. */
export interface PlannedDispatch {
  readonly kernel: string;
  readonly label: string;
  readonly grid: readonly [number, number, number];
  readonly bindings: readonly PlannedBinding[];
  readonly words: Uint32Array;
  readonly steps: readonly { readonly word: number; readonly stride: number }[];
}

/** Plans launches of one program under one set of symbols. */
export class LaunchPlanner {
  private readonly buffers: ReadonlyMap<string, ProgramBuffer>;
  /** Few different dimensions occur in many launches. */
  private readonly values = new Map<string, number>();

  constructor(
    program: Program,
    private readonly bindings: Bindings,
    private readonly limits: PlanLimits,
  ) {
    this.buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
  }

  /**
   * The dispatches of a launch: several where an argument or the grid is too large and the launch can be cut apart.
   * Throws `TRITC_E_WEBGPU_LIMIT` where it cannot.
   */
  plan(launch: Launch, kernel: Kernel): readonly PlannedDispatch[] {
    const rows = this.value(launch.rows);
    const place = `launch ${launch.label} (kernel ${kernel.id})`;
    const scalars = launch.scalars.map((scalar) => this.value(scalar));
    const args = this.argumentsOf(launch, kernel, { rows, scalars });
    const grid = [0, 1, 2].map((axis) => {
      const entry = launch.grid[axis];
      return entry === undefined ? 1 : Math.ceil(this.value(entry.size) / entry.tile);
    });
    if (rows === 0 || grid.includes(0)) return [];
    const tileRows = launch.grid[1]?.tile ?? 1;
    const rowAxis = launch.grid[1] !== undefined && this.value(launch.grid[1].size) === rows;
    const pieces = (): readonly Piece[] => {
      const most = this.rowsAtOnce(args, rows, tileRows, rowAxis, place);
      return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
        const count = Math.min(most, rows - i * most);
        const y = most < rows ? Math.ceil(count / tileRows) : (grid[1] ?? 1);
        return rowPiece(args, scalars, i * most, count, [grid[0] ?? 1, y, grid[2] ?? 1]);
      });
    };
    const tooLarge = args.some((arg) => this.isTooLarge(arg));
    const divided = tooLarge
      ? dividedPieces(kernel, args, { rows, scalars }, launch.grid[0]?.tile ?? 1, this.limits)
      : undefined;
    return (divided ?? pieces()).map((piece) => this.dispatch(launch, kernel, args, piece, place));
  }

  private value(dim: Launch["rows"]): number {
    if (typeof dim === "number") return dim;
    const known = this.values.get(dim);
    if (known !== undefined) return known;
    const value = evaluateDim(dim, this.bindings);
    this.values.set(dim, value);
    return value;
  }

  /** Whether a binding holds neither all of the buffer nor all that a step has of it. */
  private isTooLarge({ bytes, stepElements }: PlannedArg): boolean {
    return bytes > this.limits.maxBindingBytes && stepElements === null;
  }

  private argumentsOf(launch: Launch, kernel: Kernel, sizes: LaunchSizes<number>): readonly PlannedArg[] {
    const uniform = uniformArgs(kernel.args);
    const contract = contractOf(kernel);
    const { maxBindingBytes } = this.limits;
    const numbers = { ...sizes, rowStrides: launch.args.map(({ rowStride }) => this.value(rowStride)) };
    return kernel.args.map((arg, i) => {
      const given = launch.args[i];
      const buffer = given === undefined ? undefined : this.buffers.get(given.buffer);
      if (given === undefined || buffer === undefined) {
        throw new RangeError(`launch ${launch.label}: argument ${arg.name} of ${kernel.id} has no buffer`);
      }
      const own = contract?.args[i];
      const window = own?.window;
      const bytes = bufferBytes(buffer, this.bindings);
      const stepped = { stepStride: this.value(given.stepStride), elementBytes: byteLength(buffer.dtype, 1) };
      const isStepped = bytes > maxBindingBytes && !uniform.has(i) && own !== undefined;
      return {
        ...stepped,
        buffer: buffer.id,
        bytes,
        byRow: arg.byRow,
        uniform: uniform.has(i),
        writes: arg.access !== "read",
        offset: this.value(given.offset),
        stride: this.value(given.rowStride),
        stepElements: (isStepped && stepWindow(own, i, numbers, stepped, maxBindingBytes)) || null,
        window: window === undefined ? null : (of: RowRange) => window(of, sizes),
      };
    });
  }

  /** How many rows one dispatch may take. */
  private rowsAtOnce(
    args: readonly PlannedArg[],
    rows: number,
    tileRows: number,
    rowAxis: boolean,
    place: string,
  ): number {
    const { maxBindingBytes, maxWorkgroupsPerDimension: maxWorkgroups } = this.limits;
    let most = rows;
    if (rowAxis && Math.ceil(rows / tileRows) > maxWorkgroups) most = maxWorkgroups * tileRows;
    for (const arg of args) {
      if (!this.isTooLarge(arg)) continue;
      const rowBytes = arg.stride * arg.elementBytes;
      if (!rowAxis || !(arg.byRow || arg.window !== null) || rowBytes === 0 || arg.stepStride !== 0) {
        throw limitError(
          `${place}, buffer ${arg.buffer}`,
          "a binding (in bytes)",
          arg.bytes,
          maxBindingBytes,
        );
      }
      if (arg.window !== null) continue;
      // A window starts up to one alignment early.
      most = Math.min(most, Math.floor((maxBindingBytes - WINDOW_ALIGNMENT) / rowBytes));
    }
    for (const arg of args)
      if (this.isTooLarge(arg)) most = fittingRows(arg, rows, { most, tile: tileRows }, maxBindingBytes);
    if (most === rows) return rows;
    const undivided = args.find((arg) => arg.writes && !arg.byRow);
    if (undivided !== undefined)
      throw limitError(
        `${place}, rows of ${undivided.buffer}, which are written at once`,
        "rows",
        rows,
        most,
      );
    const whole = Math.floor(most / tileRows) * tileRows;
    if (whole > 0) return whole;
    const widest = Math.max(...args.map((arg) => arg.stride * arg.elementBytes));
    throw limitError(place, "a tile of rows (in bytes)", widest * tileRows, maxBindingBytes);
  }

  /** Elementwise kernels, whose grid has one axis, continue on the second one. */
  private fold(grid: readonly [number, number, number], place: string): readonly [number, number, number] {
    const { maxWorkgroupsPerDimension: maxWorkgroups } = this.limits;
    const [x, y, z] = grid;
    if (x > maxWorkgroups && y === 1 && z === 1) return [maxWorkgroups, Math.ceil(x / maxWorkgroups), 1];
    for (const size of grid) {
      if (size > maxWorkgroups) throw limitError(place, "the grid (in workgroups)", size, maxWorkgroups);
    }
    return grid;
  }

  private dispatch(
    launch: Launch,
    kernel: Kernel,
    args: readonly PlannedArg[],
    piece: Piece,
    place: string,
  ): PlannedDispatch {
    const words = new Uint32Array(1 + 2 * args.length + kernel.scalars.length);
    const floats = new Float32Array(words.buffer);
    words[0] = piece.rows;
    const steps: { word: number; stride: number }[] = [];
    const bindings = args.map((arg, i): PlannedBinding => {
      const own = piece.args[i] ?? { start: arg.offset, elements: null };
      const binding = this.bind(arg, own, args);
      // Where the window begins behind row 0 this is negative: kernels count in 32 bits, and come back to it.
      words[1 + 2 * i] = own.start - binding.offset / arg.elementBytes;
      words[2 + 2 * i] = arg.stride;
      if (arg.stepStride !== 0 && binding.stepBytes === 0)
        steps.push({ word: 1 + 2 * i, stride: arg.stepStride });
      return binding;
    });
    kernel.scalars.forEach((type, j) => {
      const at = 1 + 2 * args.length + j;
      (type === "f32" ? floats : words)[at] = type === "row" ? piece.first : (piece.scalars[j] ?? 0);
    });
    return {
      kernel: kernel.id,
      label: launch.label,
      grid: this.fold(piece.grid, place),
      bindings,
      words,
      steps,
    };
  }

  private bind(arg: PlannedArg, piece: PieceArg, args: readonly PlannedArg[]): PlannedBinding {
    const { start, elements } = piece;
    const copy = !arg.writes && args.some((other) => other.writes && this.sameMemory(arg, other));
    // A uniform array has a fixed length, so it starts where its elements do.
    if (arg.uniform && start !== 0) {
      const offset = start * arg.elementBytes;
      return {
        buffer: arg.buffer,
        offset,
        size: arg.bytes - offset,
        uniform: true,
        copy: true,
        stepBytes: 0,
      };
    }
    if (arg.stepElements !== null) {
      const stepBytes = arg.stepStride * arg.elementBytes;
      return { ...this.window(arg, arg.offset, arg.stepElements), uniform: false, copy, stepBytes };
    }
    if (elements === null || (!copy && arg.bytes <= this.limits.maxBindingBytes)) {
      return { buffer: arg.buffer, offset: 0, size: arg.bytes, uniform: arg.uniform, copy, stepBytes: 0 };
    }
    return { ...this.window(arg, piece.begin ?? start, elements), uniform: false, copy, stepBytes: 0 };
  }

  /** What a binding has to hold so that elements [first, first + elements) are in it. */
  private window({ buffer, bytes, elementBytes }: PlannedArg, first: number, elements: number) {
    const begin = first * elementBytes;
    const offset = begin - (begin % WINDOW_ALIGNMENT);
    const end = Math.min(bytes, begin + elements * elementBytes);
    return { buffer, offset, size: Math.ceil((end - offset) / 16) * 16 };
  }

  /** Whether two arguments lie in one device buffer: WebGPU lets no dispatch read and write it as two bindings. */
  private sameMemory(a: PlannedArg, b: PlannedArg): boolean {
    if (a.buffer === b.buffer) return true;
    const [first, second] = [this.buffers.get(a.buffer)?.storage, this.buffers.get(b.buffer)?.storage];
    return first?.kind === "arena" && second?.kind === "arena" && first.slot === second.slot;
  }
}
