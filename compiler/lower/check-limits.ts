import { type Bindings, type Dim, evaluateDim, symbolsOf } from "../../ir/dim.js";
import { byteLength } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import { type Division, divisionOf, isWindowed } from "../../ir/families/contract/division.js";
import type { Contract } from "../../ir/families/contract/family.js";
import { stepWindow } from "../../ir/families/contract/step-window.js";
import { contractOf } from "../../ir/families/index.js";
import type { Kernel, Launch } from "../../ir/program/program.js";
import { sizeOf } from "../analysis/sizes.js";
import type { MemoryLimits } from "../pass.js";
import { bufferBytes, type DraftBuffer } from "./lowering.js";

interface Draft {
  readonly buffers: readonly DraftBuffer[];
  readonly kernels: readonly Kernel[];
  readonly launches: readonly Launch[];
}

/**
 * Refuses a program that the device cannot hold at the given sizes, naming the tensor, its size, the limit, and the
 * largest square resolution that fits. Every buffer has to fit `maxBufferBytes`; and `maxBindingBytes`, if it holds
 * weights or a launch cannot be cut into pieces.
 */
export function checkLimits(draft: Draft, limits: MemoryLimits, sizes: Bindings, target: string): void {
  const whole = boundAsWhole(draft, sizes, limits.maxBindingBytes);
  const limitOf = (buffer: DraftBuffer) =>
    isActivations(buffer) && !whole.has(buffer.id)
      ? limits.maxBufferBytes
      : Math.min(limits.maxBufferBytes, limits.maxBindingBytes);
  for (const buffer of draft.buffers) {
    const size = bufferBytes(buffer);
    const bytes = sizeOf(size, sizes);
    const limit = limitOf(buffer);
    if (bytes <= limit) continue;
    const what = bytes > limits.maxBufferBytes ? "one buffer" : "one kernel argument";
    throw new TritcError({
      code: "TRITC_E_BUFFER_LIMIT",
      message: `the tensor takes more memory than the target ${target} allows for ${what}`,
      place: buffer.label,
      expected: `at most ${limit} bytes`,
      found: `${bytes} bytes (${size} at ${printSizes(size, sizes)})`,
      remedy: isActivations(buffer)
        ? fitting(draft.buffers, limitOf, sizes)
        : "compile for a target with larger buffers",
    });
  }
}

function isActivations({ storage }: DraftBuffer): boolean {
  return storage.kind === "arena" || storage.kind === "host" || storage.kind === "state";
}

/**
 * Buffers that some launch needs in one piece: it neither goes through them row by row, a row of the grid each, nor can
 * be divided along an axis of theirs, nor reads so little at a step that it binds that alone.
 */
function boundAsWhole(
  { buffers, kernels, launches }: Draft,
  sizes: Bindings,
  most: number,
): ReadonlySet<string> {
  const byId = new Map(kernels.map((kernel) => [kernel.id, kernel]));
  const elementBytes = new Map(buffers.map(({ id, dtype }) => [id, byteLength(dtype, 1)]));
  const whole = new Set<string>();
  const isStepped = (contract: Contract | undefined, { rows, scalars, args }: Launch, i: number) => {
    const [arg, own] = [args[i], contract?.args[i]];
    if (arg === undefined || own === undefined) return false;
    const numbers = {
      rows: sizeOf(rows, sizes),
      scalars: scalars.map((dim) => sizeOf(dim, sizes)),
      rowStrides: args.map(({ rowStride }) => sizeOf(rowStride, sizes)),
    };
    const stepped = {
      stepStride: sizeOf(arg.stepStride, sizes),
      elementBytes: elementBytes.get(arg.buffer) ?? Number.NaN,
    };
    return stepWindow(own, i, numbers, stepped, most) !== undefined;
  };
  for (const launch of launches) {
    const kernel = byId.get(launch.kernel);
    const [, y] = launch.grid;
    const cuttable = y !== undefined && sizeOf(y.size, sizes) === sizeOf(launch.rows, sizes);
    const contract = kernel && contractOf(kernel);
    const division = contract && divided(contract, launch, sizes);
    for (const [i, { buffer, rowStride, stepStride }] of launch.args.entries()) {
      const inRows = kernel?.args[i]?.byRow === true || contract?.args[i]?.window !== undefined;
      const byRow = inRows && rowStride !== 0 && stepStride === 0;
      const own = division?.args[i];
      const windowed =
        own !== undefined && isWindowed(own, stepStride, elementBytes.get(buffer) ?? Number.NaN, most);
      if (windowed || (cuttable && byRow) || isStepped(contract, launch, i)) continue;
      whole.add(buffer);
    }
  }
  return whole;
}

function divided(contract: Contract, { rows, scalars }: Launch, sizes: Bindings): Division | undefined {
  const numbers = { rows: sizeOf(rows, sizes), scalars: scalars.map((dim) => sizeOf(dim, sizes)) };
  return divisionOf(contract, numbers);
}

function printSizes(dim: Dim, sizes: Bindings): string {
  const names = symbolsOf(dim);
  return names.length === 0 ? "any size" : names.map((n) => `${n} = ${sizeOf(n, sizes)}`).join(", ");
}

/**
 * The largest square resolution at which every buffer fits. It compiles: passes decide for larger buffers only
 * where these fit.
 */
function fitting(
  buffers: readonly DraftBuffer[],
  limitOf: (buffer: DraftBuffer) => number,
  sizes: Bindings,
): string {
  const checks = buffers.map((buffer) => ({ size: bufferBytes(buffer), limit: limitOf(buffer) }));
  const known: Record<string, number> = Object.assign(Object.create(null), sizes);
  for (const { size } of checks) for (const name of symbolsOf(size)) known[name] = sizeOf(name, sizes);
  if (!Object.hasOwn(known, "img_tokens")) return "compile for a smaller size or another target";
  for (let side = Math.floor(Math.sqrt(known.img_tokens ?? 1)); side >= 1; side--) {
    const at = { ...known, img_tokens: side * side };
    if (checks.some(({ size, limit }) => evaluateDim(size, at) > limit)) continue;
    return `compile for --resolution ${side * 16}x${side * 16} (${side * side} image tokens) or smaller`;
  }
  return "compile for another target: no resolution fits";
}
