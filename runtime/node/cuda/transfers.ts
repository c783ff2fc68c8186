import { EVENT_NO_TIMING } from "./api.js";
import type { CudaContext } from "./context.js";
import { cudaError, type Place } from "./errors.js";

/** Most bytes of one pinned buffer; there are two. */
const CHUNK_BYTES = 32 * 2 ** 20;
/** Fewest bytes of one. */
const SMALL_BYTES = 64 * 2 ** 10;

interface Chunk {
  readonly address: bigint;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Recorded behind the last copy from or to it. */
  readonly event: bigint;
  inUse: boolean;
}

/**
 * Copies between host and device through two pinned buffers: while one is copied by the device, the other is filled
 * or emptied.
 */
export class Transfers {
  #chunks: readonly Chunk[] = [];
  #next = 0;

  /** @param chunkBytes most bytes of one pinned buffer */
  constructor(
    private readonly context: CudaContext,
    private readonly stream: bigint,
    private readonly chunkBytes: number = CHUNK_BYTES,
  ) {}

  /** Copies bytes to the device in order of the stream; they may be changed when it returns. */
  async upload(to: bigint, from: Uint8Array, place: Place): Promise<void> {
    const { driver } = this.context;
    for (let at = 0; at < from.byteLength; ) {
      const chunk = await this.#take(from.byteLength, place);
      this.context.enter();
      const part = from.subarray(at, at + chunk.bytes.byteLength);
      chunk.bytes.set(part);
      const target = to + BigInt(at);
      driver.call(place, "cuMemcpyHtoDAsync_v2", target, chunk.address, part.byteLength, this.stream);
      this.#record(chunk, place);
      at += part.byteLength;
    }
  }

  /** Copies bytes from the device once everything before it in the stream is done. */
  async download(to: Uint8Array, from: bigint, place: Place): Promise<void> {
    const { driver } = this.context;
    let pending: { readonly chunk: Chunk; readonly at: number; readonly length: number } | undefined;
    const collect = async (): Promise<void> => {
      if (pending === undefined) return;
      const { chunk, at, length } = pending;
      await this.#wait(chunk, place);
      to.set(chunk.bytes.subarray(0, length), at);
    };
    for (let at = 0; at < to.byteLength; ) {
      const chunk = await this.#take(to.byteLength, place);
      this.context.enter();
      const length = Math.min(chunk.bytes.byteLength, to.byteLength - at);
      const source = from + BigInt(at);
      driver.call(place, "cuMemcpyDtoHAsync_v2", chunk.address, source, length, this.stream);
      this.#record(chunk, place);
      await collect();
      pending = { chunk, at, length };
      at += length;
    }
    await collect();
  }

  /** Frees the pinned memory; the next copy allocates it again. The stream must be idle. */
  release(): void {
    const { driver } = this.context;
    for (const { address, event } of this.#chunks) {
      driver.result("cuEventDestroy_v2", event);
      driver.result("cuMemFreeHost", address);
    }
    this.#chunks = [];
  }

  /**
   * The next pinned buffer, when the device is done with it. They hold the largest copy so far, up to a limit; powers
   * of two, so that they rarely grow: pinning takes milliseconds.
   */
  async #take(wanted: number, place: Place): Promise<Chunk> {
    const bytes = Math.min(this.chunkBytes, Math.max(SMALL_BYTES, 2 ** Math.ceil(Math.log2(wanted))));
    const [first] = this.#chunks;
    if (first === undefined || first.bytes.byteLength < bytes) {
      for (const chunk of this.#chunks) await this.#wait(chunk, place);
      this.context.enter();
      this.release();
      this.#allocate(bytes, place);
    }
    const chunk = this.#chunks[this.#next % 2];
    if (chunk === undefined) throw new RangeError("there is no pinned memory");
    this.#next++;
    await this.#wait(chunk, place);
    return chunk;
  }

  #allocate(bytes: number, place: Place): void {
    const { driver } = this.context;
    for (let i = 0; i < 2; i++) {
      const address = new BigUint64Array(1);
      driver.call(place, "cuMemHostAlloc", address, bytes, 0);
      const at = address[0] ?? 0n;
      try {
        const event = driver.create(place, "cuEventCreate", EVENT_NO_TIMING);
        const chunk = { address: at, bytes: driver.view(at, bytes), event, inUse: false };
        this.#chunks = [...this.#chunks, chunk];
      } catch (error) {
        driver.result("cuMemFreeHost", at);
        throw error;
      }
    }
  }

  #record(chunk: Chunk, place: Place): void {
    this.context.driver.call(place, "cuEventRecord", chunk.event, this.stream);
    chunk.inUse = true;
  }

  async #wait(chunk: Chunk, place: Place): Promise<void> {
    if (!chunk.inUse) return;
    const result = await this.context.wait("cuEventSynchronize", chunk.event);
    chunk.inUse = false;
    if (result !== 0) throw cudaError(this.context.driver.failure(result, "cuEventSynchronize", place));
  }
}
