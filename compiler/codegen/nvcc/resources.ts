import { TritcError } from "../../../ir/errors.js";
import { ARCHITECTURES, type Architecture } from "../../../targets/index.js";

/** What a kernel takes on an architecture, by ptxas's own report. */
export interface KernelResources {
  readonly architecture: Architecture;
  /** Registers of a thread. */
  readonly registers: number;
  /** Bytes of shared memory of a block, static and dynamic. */
  readonly sharedBytes: number;
  /** Bytes of a thread's stack: arrays that could not be kept in registers. */
  readonly stackBytes: number;
  /** Bytes of registers that are stored to and loaded from memory for want of room. */
  readonly spillBytes: number;
  /** What ptxas remarks about performance, such as wgmma instructions that wait for one another. */
  readonly remarks: readonly string[];
}

/** How a kernel is launched, as far as it takes resources. */
export interface BlockShape {
  readonly threads: number;
  /** Bytes of dynamic shared memory. */
  readonly sharedBytes: number;
}

/**
 * Reads what `ptxas -v` prints: per architecture "Compiling entry function", then per function its stack and
 * spills, and once the registers and the static shared memory.
 */
export function parseResources(log: string, block: BlockShape): readonly KernelResources[] {
  const starts = [...log.matchAll(/Compiling entry function '[^']*' for '(sm_\w+)'/g)];
  return starts.flatMap((start, i) => {
    const architecture = known(start[1]);
    const text = log.slice(start.index, starts[i + 1]?.index);
    const used = /Used (\d+) registers([^\n]*)/.exec(text);
    if (architecture === undefined || used === null) return [];
    const staticBytes = sum(used[2] ?? "", /(\d+)(?:\+0)? bytes smem/g);
    return {
      architecture,
      registers: Number(used[1]),
      sharedBytes: staticBytes + block.sharedBytes,
      stackBytes: sum(text, /(\d+) bytes stack frame/g),
      spillBytes: sum(text, /(\d+) bytes spill (?:stores|loads)/g),
      remarks: [...text.matchAll(/Potential Performance Loss: ([^\n]*)/g)].map(([, remark = ""]) =>
        remark.trim(),
      ),
    };
  });
}

/**
 * Refuses a kernel that spills registers or does not fit a block of its architecture.
 * Throws TRITC_E_KERNEL_RESOURCES.
 */
export function checkResources(kernel: string, block: BlockShape, resources: KernelResources): void {
  const { architecture, registers, sharedBytes, spillBytes } = resources;
  const { sharedBytesPerBlock, registersPerSm } = ARCHITECTURES[architecture];
  const place = `${kernel} on ${architecture}`;
  if (spillBytes > 0) {
    throw refusal(place, {
      message: "the kernel has more values than registers and spills them to memory",
      expected: "0 bytes of spills",
      found: `${spillBytes} bytes of spill stores and loads at ${registers} registers a thread`,
    });
  }
  if (sharedBytes > sharedBytesPerBlock) {
    throw refusal(place, {
      message: "the kernel takes more shared memory than a block may have",
      expected: `at most ${sharedBytesPerBlock} bytes`,
      found: `${sharedBytes} bytes, ${block.sharedBytes} of them dynamic`,
    });
  }
  if (registers * block.threads > registersPerSm) {
    throw refusal(place, {
      message: "a block of the kernel takes more registers than there are",
      expected: `at most ${registersPerSm} registers`,
      found: `${block.threads} threads of ${registers}`,
    });
  }
}

/** ptxas's own refusal of a kernel with too much static shared memory, as this module's. */
export function sharedMemoryRefusal(kernel: string, log: string): TritcError | undefined {
  const match = /uses too much shared data \((0x[0-9a-f]+) bytes, (0x[0-9a-f]+) max\)/.exec(log);
  if (match === null) return undefined;
  return refusal(kernel, {
    message: "the kernel takes more static shared memory than a block may have",
    expected: `at most ${Number(match[2])} bytes; more has to be dynamic`,
    found: `${Number(match[1])} bytes`,
  });
}

function refusal(place: string, details: { message: string; expected: string; found: string }): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL_RESOURCES",
    ...details,
    place,
    remedy: "compile for another target, or with another CUDA toolkit; report it with the kernel's name",
  });
}

function known(name: string | undefined): Architecture | undefined {
  return Object.keys(ARCHITECTURES).find(
    (architecture): architecture is Architecture => architecture === name,
  );
}

/** The sum of the first group of all matches. */
function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
}
