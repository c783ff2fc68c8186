import type { LaunchShape } from "../../ir/families/launch/form.js";
import type { ArchitectureFacts } from "../../targets/cuda/architectures.js";

type Block = Pick<LaunchShape, "workgroup" | "sharedBytes" | "blocks" | "registers">;

/** What the driver keeps of shared memory for each block, from sm_80 on. */
const RESERVED_BYTES = 1024;
/** The most registers of a thread. */
const MOST_REGISTERS = 255;

const threadsOf = ({ workgroup: [x, y, z] }: Block) => x * y * z;

/** Bytes of a multiprocessor's shared memory that a block takes. */
function sharedOf({ sharedBytes }: Block, { computeCapability: [major] }: ArchitectureFacts): number {
  return sharedBytes + (major >= 8 ? RESERVED_BYTES : 0);
}

/** Registers that a thread has where so many blocks are on a multiprocessor; they are given out in eights. */
function registersAt(block: Block, blocks: number, { registersPerSm }: ArchitectureFacts): number {
  const each = Math.floor(registersPerSm / (blocks * threadsOf(block)) / 8) * 8;
  return Math.min(MOST_REGISTERS, each);
}

/** Why a multiprocessor does not hold as many blocks as a kernel is compiled for; undefined where it does. */
export function occupancyFault(block: Block, facts: ArchitectureFacts): string | undefined {
  const { blocks, registers } = block;
  const threads = threadsOf(block);
  const many = `${blocks} ${blocks === 1 ? "block" : "blocks"} of ${threads} threads`;
  if (threads * blocks > facts.threadsPerSm) {
    return `${many}, and a multiprocessor has room for ${facts.threadsPerSm}`;
  }
  if (blocks > 1 && sharedOf(block, facts) * blocks > facts.sharedBytesPerSm) {
    return `${blocks} blocks of ${sharedOf(block, facts)} bytes of shared memory, and a multiprocessor has ${facts.sharedBytesPerSm}`;
  }
  const left = registersAt(block, blocks, facts);
  return registers <= left
    ? undefined
    : `about ${registers} registers a thread, and ${many} leave it ${left}`;
}

/** Blocks that a multiprocessor holds at the same time: at least one. */
export function residentBlocks(block: Block, facts: ArchitectureFacts): number {
  const threads = threadsOf(block);
  const registers = Math.max(block.registers, 32);
  const byRegisters = Math.floor(facts.registersPerSm / (threads * Math.ceil(registers / 8) * 8));
  const byShared = Math.floor(facts.sharedBytesPerSm / Math.max(1, sharedOf(block, facts)));
  const byThreads = Math.floor(facts.threadsPerSm / threads);
  return Math.max(1, Math.min(Math.max(byRegisters, block.blocks), byShared, byThreads, 32));
}
