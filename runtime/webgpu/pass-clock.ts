import type { QueueWatch } from "./queue-watch.js";

/** Dawn rounds timestamps to so many nanoseconds, unless it is told not to. */
const QUANTUM = 65_536n;
/** Rounded to, they tell something of times that are so many quanta long. */
const QUANTA = 100n;
/** How far a device's clock may go wrong before it is not believed. */
const TOLERANCE = 1.05;

/** Which timestamps of a clock passes take: before the first of them, after the last, or both. */
export interface PassMarks {
  readonly querySet: GPUQuerySet;
  readonly begins: boolean;
  readonly ends: boolean;
}

/** A device's own clock, by timestamps that its queue takes at the beginning and at the end of compute passes. */
export class PassClock {
  private readonly querySet: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private readonly back: GPUBuffer;

  /** The device has `timestamp-query`, and frees what this takes when it is destroyed. */
  constructor(
    private readonly device: GPUDevice,
    private readonly queue: QueueWatch,
  ) {
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.querySet = device.createQuerySet({ label: "pass clock", type: "timestamp", count: 2 });
    this.resolved = device.createBuffer({ label: "pass clock", size: 16, usage: QUERY_RESOLVE | COPY_SRC });
    this.back = device.createBuffer({ label: "pass clock", size: 16, usage: MAP_READ | COPY_DST });
  }

  /** What one of several rows of passes that follow each other has to take. */
  marks(isFirst: boolean, isLast: boolean): PassMarks {
    return { querySet: this.querySet, begins: isFirst, ends: isLast };
  }

  /**
   * Seconds between the two timestamps, once both were taken; undefined where they cannot be believed. `hostSeconds` is what the host saw
   * pass from before the first to after the last.
   */
  async seconds(hostSeconds: number): Promise<number | undefined> {
    const encoder = this.device.createCommandEncoder();
    encoder.resolveQuerySet(this.querySet, 0, 2, this.resolved, 0);
    encoder.copyBufferToBuffer(this.resolved, 0, this.back, 0, 16);
    this.device.queue.submit([encoder.finish()]);
    await this.queue.wait("reading timestamps", this.back.mapAsync(GPUMapMode.READ));
    const [begin = 0n, end = 0n] = new BigUint64Array(this.back.getMappedRange().slice(0));
    this.back.unmap();
    return secondsBetween(begin, end, hostSeconds);
  }
}

/**
 * Seconds between timestamps in nanoseconds. Undefined where they tell nothing: devices may give zeros and go backwards
 * (https://www.w3.org/TR/webgpu/#timestamp), nothing takes longer than the host saw pass, and of short times rounding leaves
 * little.
 */
export function secondsBetween(begin: bigint, end: bigint, hostSeconds: number): number | undefined {
  const isRounded = begin % QUANTUM === 0n && end % QUANTUM === 0n;
  if (begin === 0n || end <= begin || (isRounded && end - begin < QUANTA * QUANTUM)) return undefined;
  const seconds = Number(end - begin) / 1e9;
  return seconds <= hostSeconds * TOLERANCE ? seconds : undefined;
}

/** The timestamps that one pass takes, of a row of which it may be the first or the last. */
export function passWrites(
  marks: PassMarks | undefined,
  isFirst: boolean,
  isLast: boolean,
): Pick<GPUComputePassDescriptor, "timestampWrites"> {
  const begins = marks?.begins === true && isFirst;
  const ends = marks?.ends === true && isLast;
  if (marks === undefined || !(begins || ends)) return {};
  return {
    timestampWrites: {
      querySet: marks.querySet,
      ...(begins ? { beginningOfPassWriteIndex: 0 } : {}),
      ...(ends ? { endOfPassWriteIndex: 1 } : {}),
    },
  };
}
