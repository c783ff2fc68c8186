import { type Bindings, evaluateDim } from "../../ir/dim.js";
import { contractOf } from "../../ir/families/index.js";
import type {
  DeviceDType,
  Kernel,
  Launch,
  Program,
  ProgramBuffer,
  StorageKind,
} from "../../ir/program/program.js";
import { bufferBytes } from "../../targets/memory/buffers.js";

/** A launch of a program's kernel at the sizes of a run. */
export interface Case {
  /** Whose buffers it has. */
  readonly program: Program;
  readonly kernel: Kernel;
  readonly launch: Launch;
  readonly bindings: Bindings;
}

/** What fills a buffer that a case reads. */
export interface Filling {
  readonly tensor: string;
  readonly dtype: DeviceDType;
  readonly elements: number;
  /** Words of 2-bit codes 0, 1 and 2, which ternary weights are. */
  readonly isTernary: boolean;
}

/** Bytes of the weights of which each launch reads others: what the sets of a program are of. */
export function weightBytes({ program, ...of }: Case): number {
  const ids = rotated({ program, ...of });
  return program.buffers
    .filter(({ id }) => ids.has(id))
    .reduce((sum, buffer) => sum + bufferBytes(buffer, of.bindings), 0);
}

/** A weight that has so small a part of the largest one's bytes, such as biases, is the same for all launches. */
const SMALL = 1 / 8;

/** The large ones of the weights that a launch reads. */
function rotated({ program: { buffers }, kernel, launch, bindings }: Case): ReadonlySet<string> {
  const read = new Set(
    launch.args.flatMap(({ buffer }, i) => (kernel.args[i]?.access === "read" ? [buffer] : [])),
  );
  const weights = buffers
    .filter((buffer) => read.has(buffer.id) && KEPT.has(buffer.storage.kind))
    .map((buffer) => ({ id: buffer.id, bytes: bufferBytes(buffer, bindings) }));
  const largest = Math.max(0, ...weights.map(({ bytes }) => bytes));
  return new Set(weights.filter(({ bytes }) => bytes >= largest * SMALL).map(({ id }) => id));
}

/** What buffers keep from one run to the next. */
const KEPT: ReadonlySet<StorageKind> = new Set(["weight", "resident", "staging"]);

/** A program of launches of one kernel and nothing else. */
export interface CaseProgram {
  readonly program: Program;
  readonly fillings: readonly Filling[];
  /** Buffers that the launches write. */
  readonly results: readonly string[];
}

/** The phase that the launches are in. */
export const CASE_PHASE = "step";

/**
 * `launches` launches of a case after each other, each with the next of `sets` sets of its large weights, so that those which one read
 * are not in a cache when the next begins. What other launches have just written in a real run, and what the kernel itself writes, is the
 * same for all. Whatever the kernel reads comes as a tensor of the weight file, in the layout that it is read in; a buffer that it
 * reads and writes becomes two.
 */
export function caseProgram(
  given: Case,
  { launches, sets }: { readonly launches: number; readonly sets: number },
): CaseProgram {
  const { program: whole, kernel, launch, bindings } = given;
  const { buffers, target } = whole;
  const own = rotated(given);
  const byId = new Map(buffers.map((buffer) => [buffer.id, buffer]));
  const layouts = contractOf(kernel)?.args.map(({ layout }) => layout?.name ?? "") ?? [];
  const made = new Map<string, ProgramBuffer>();
  const fillings: Filling[] = [];
  const results: string[] = [];
  const bufferOf = (set: number, index: number): string => {
    const original = launch.args[index]?.buffer ?? "";
    const writes = kernel.args[index]?.access === "write";
    const id = `${writes ? "result" : "operand"} ${!writes && own.has(original) ? set : 0} ${original}`;
    if (made.has(id)) return id;
    const { dtype = "f32", elements: size = 0 } = byId.get(original) ?? {};
    const elements = evaluateDim(size, bindings);
    if (writes) results.push(id);
    else
      fillings.push({
        tensor: id,
        dtype,
        elements,
        isTernary: layouts[index]?.startsWith("ternary") === true,
      });
    const storage = writes
      ? ({ kind: "arena", slot: made.size } as const)
      : ({ kind: "weight", tensor: id } as const);
    made.set(id, { id, dtype, elements, storage });
    return id;
  };
  const number = (dim: Launch["rows"]) => (typeof dim === "number" ? dim : evaluateDim(dim, bindings));
  const copies = Array.from(
    { length: launches },
    (_, i): Launch => ({
      ...launch,
      rows: number(launch.rows),
      args: launch.args.map((arg, index) => ({
        buffer: bufferOf(i % sets, index),
        offset: number(arg.offset),
        rowStride: number(arg.rowStride),
        stepStride: 0,
      })),
      scalars: launch.scalars.map(number),
      grid: launch.grid.map(({ size, tile }) => ({ size: number(size), tile })),
    }),
  );
  const writes: readonly StorageKind[] = ["arena"];
  const program: Program = {
    target,
    symbols: [],
    buffers: [...made.values()],
    kernels: [{ ...kernel, fallback: null }],
    phases: [{ name: CASE_PHASE, runs: "step", writes, launches: copies }],
    inputs: [],
    outputs: [],
    model: null,
  };
  return { program, fillings, results };
}
