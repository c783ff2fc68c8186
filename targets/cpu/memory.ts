import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import { allLaunches, launchesThatRun } from "../../ir/program/phases.js";
import type { Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import {
  type PromptTurn,
  type PromptWeightsPolicy,
  scheduleWeights,
} from "../../ir/program/prompt-weights.js";
import { forTwoTexts } from "../../ir/program/two-texts.js";
import {
  type Allocation,
  type DeviceMemory,
  deviceMemory,
  type MemoryRules,
  type PhaseMemory,
  phaseMemory,
} from "../memory/allocation.js";
import { allocationOf, isKept, runAllocations, stagedBy } from "../memory/buffers.js";
import { wasmFirstFree } from "./abi.js";

/** Cache lines do not straddle buffers, and 16-byte vector loads are aligned. */
const ALIGNMENT = 64;
const ADDRESS_LIMIT = 2 ** 32;
/** WebAssembly memory grows by whole pages and never shrinks. */
export const WASM_PAGE_BYTES = 65_536;

/** Hands out addresses upwards. Throws TRITC_E_CPU_MEMORY past `limit`. */
export class AddressSpace {
  constructor(
    private next: number,
    private readonly limit = ADDRESS_LIMIT,
  ) {}

  get end(): number {
    return this.next;
  }

  take(bytes: number, what: string): number {
    const address = Math.ceil(this.next / ALIGNMENT) * ALIGNMENT;
    this.next = address + Math.ceil(bytes / 16) * 16;
    if (this.next > this.limit) throw memoryError(what, this.next, this.limit);
    return address;
  }
}

/** TRITC_E_CPU_MEMORY: a program takes more than there is. */
export function memoryError(what: string, bytes: number, limit: number, cause?: unknown): TritcError {
  const gib = (size: number) => `${(size / 2 ** 30).toFixed(2)} GiB`;
  return new TritcError({
    code: "TRITC_E_CPU_MEMORY",
    message:
      limit < ADDRESS_LIMIT
        ? "the program does not fit into the memory of this machine"
        : "the program does not fit into the 4 GiB that WebAssembly can address",
    place: what,
    expected: `at most ${gib(limit)}`,
    found: gib(bytes),
    remedy: "use a smaller resolution, or another target",
    cause,
  });
}

/** Launches that there is room for in the threads' control block: those of a program in whatever form it is bound. */
export function launchRoom(program: Program): number {
  return Math.max(allLaunches(program).length, allLaunches(forTwoTexts(program) ?? program).length);
}

/** Bytes of a launch's words. */
export function launchWordBytes(launch: Pick<Launch, "args">, scalars: number): number {
  return 4 * (1 + 2 * launch.args.length + scalars);
}

/** Places inputs and intermediate values. */
export function placeRun(
  program: Program,
  bindings: Bindings,
  space: AddressSpace,
): { readonly addresses: ReadonlyMap<string, number>; readonly allocations: readonly Allocation[] } {
  const allocations = runAllocations(program, bindings);
  const addresses = new Map<string, number>();
  for (const { buffers, bytes } of allocations) {
    const address = space.take(bytes, buffers[0] ?? "");
    for (const id of buffers) addresses.set(id, address);
  }
  return { addresses, allocations };
}

/** The memory of a program on the cpu device: one WebAssembly memory, which grows in `load`, `bind` and `prompt`. */
export function cpuMemory(
  program: Program,
  bindings: Bindings,
  policy: PromptWeightsPolicy,
  { threads = 1 }: MemoryRules,
): DeviceMemory {
  // Sizes are compared with what there is by those who ask.
  const unlimited = (from: number) => new AddressSpace(from, Number.POSITIVE_INFINITY);
  const buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
  const scalars = new Map(program.kernels.map((kernel) => [kernel.id, kernel.scalars.length]));
  const words = (launches: readonly Launch[], space: AddressSpace) => {
    for (const launch of launches)
      space.take(launchWordBytes(launch, scalars.get(launch.kernel) ?? 0), launch.label);
  };
  const place = (of: readonly ProgramBuffer[], space: AddressSpace): readonly Allocation[] =>
    of.map((buffer) => {
      const allocation = allocationOf(buffer, {});
      space.take(allocation.bytes, buffer.id);
      return allocation;
    });
  const { load, streamed, turns } = scheduleWeights(program, policy);
  const kept = unlimited(wasmFirstFree(threads, launchRoom(program)));
  const weights = place(
    program.buffers.filter((buffer) => isKept(buffer) && !streamed.has(buffer.id)),
    kept,
  );

  let high = kept.end;
  let most: readonly Allocation[] = weights;
  const reach = (end: number, allocations: readonly Allocation[]) => {
    if (end > high) [high, most] = [end, allocations];
  };
  for (const launch of load) {
    const space = unlimited(kept.end);
    const staged = place(stagedBy(launch, buffers), space);
    words([launch], space);
    reach(space.end, [...weights, ...staged]);
  }
  const phase = (): PhaseMemory => phaseMemory(Math.ceil(high / WASM_PAGE_BYTES) * WASM_PAGE_BYTES, most);
  const loaded = phase();

  const bound = unlimited(kept.end);
  const run = [...weights, ...placeRun(program, bindings, bound).allocations];
  if (turns.length === 0) words(launchesThatRun(program, "prompt"), bound);
  words(launchesThatRun(program, "step", "update"), bound);
  reach(bound.end, run);
  for (const turn of turns) {
    const space = unlimited(bound.end);
    const held = place(turnBuffers(turn, buffers), space);
    words([...turn.unpack, turn.launch], space);
    reach(space.end, [...run, ...held]);
  }
  const later = phase();
  return deviceMemory(loaded, later, later);
}

/** A turn's weights and all tensors they are unpacked from, which lie in memory together. */
export function turnBuffers(
  turn: PromptTurn,
  buffers: ReadonlyMap<string, ProgramBuffer>,
): readonly ProgramBuffer[] {
  const own = [...turn.weights, ...turn.residents].flatMap((id) => buffers.get(id) ?? []);
  return [...new Set([...own, ...turn.unpack.flatMap((launch) => stagedBy(launch, buffers))])];
}
