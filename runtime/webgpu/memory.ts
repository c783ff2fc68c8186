import { TritcError } from "../../ir/errors.js";
import type { ProgramBuffer } from "../../ir/program/program.js";
import { limitError } from "../../targets/webgpu/limit-error.js";
import type { QueueWatch } from "./queue-watch.js";

/** One upload: the queue keeps a copy of each until the device has it. */
const UPLOAD_BYTES = 16 * 2 ** 20;
/** Uploads in flight before waiting for the device. */
const UPLOADS_IN_FLIGHT_BYTES = 128 * 2 ** 20;

/** Bytes that a program holds on the device. */
export class Ledger {
  #bytes = 0;
  #peak = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** The most at one time. */
  get peak(): number {
    return this.#peak;
  }

  /** Counts what was allocated, or with a negative number what was freed. */
  add(bytes: number): void {
    this.#bytes += bytes;
    this.#peak = Math.max(this.#peak, this.#bytes);
  }
}

/** Device buffers of one program, by the id of the program buffer. Arena buffers of one slot share one. */
export class DeviceMemory {
  private readonly owned = new Set<GPUBuffer>();
  private readonly byId = new Map<string, GPUBuffer>();
  private inFlight = 0;

  constructor(
    private readonly device: GPUDevice,
    private readonly watch: QueueWatch,
    private readonly ledger: Ledger,
  ) {}

  /** The device buffer of a program buffer. */
  of(id: string): GPUBuffer {
    const buffer = this.byId.get(id);
    if (buffer === undefined) throw new RangeError(`buffer ${id} is not allocated`);
    return buffer;
  }

  has(id: string): boolean {
    return this.byId.has(id);
  }

  /** A new device buffer that serves these program buffers. */
  allocate(ids: readonly string[], bytes: number): GPUBuffer {
    const { maxBufferSize } = this.device.limits;
    if (bytes > maxBufferSize)
      throw limitError(`buffer ${ids[0]}`, "its size in bytes", bytes, maxBufferSize);
    const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const buffer = this.device.createBuffer({
      label: ids[0] ?? "buffer",
      size: bytes,
      usage: STORAGE | UNIFORM | COPY_SRC | COPY_DST,
    });
    this.owned.add(buffer);
    this.ledger.add(bytes);
    for (const id of ids) this.byId.set(id, buffer);
    return buffer;
  }

  /** Destroys the device buffers of these program buffers once the device is done with them. */
  free(ids: Iterable<string>): void {
    for (const id of ids) {
      const buffer = this.byId.get(id);
      this.byId.delete(id);
      if (buffer !== undefined && this.owned.delete(buffer)) {
        this.ledger.add(-buffer.size);
        buffer.destroy();
      }
    }
  }

  freeAll(): void {
    this.free([...this.byId.keys()]);
  }

  /** Uploads a tensor of `weights.safetensors`; throws where its size is not the buffer's. */
  async upload(buffer: ProgramBuffer, expected: number, data: Uint8Array): Promise<void> {
    if (data.byteLength !== expected) {
      throw new TritcError({
        code: "TRITC_E_BUFFER_SIZE",
        message: "the tensor in the weight file does not have the size the program needs",
        place: buffer.storage.kind === "arena" ? buffer.id : String(Object.values(buffer.storage)[1]),
        expected: `${expected} bytes`,
        found: `${data.byteLength} bytes`,
        remedy: "compile the bundle again: its files do not belong together",
      });
    }
    const target = this.of(buffer.id);
    const { queue } = this.device;
    for (let at = 0; at < data.byteLength; at += UPLOAD_BYTES) {
      let part = data.subarray(at, Math.min(data.byteLength, at + UPLOAD_BYTES));
      if (part.byteLength % 4 !== 0) {
        const whole = new Uint8Array(Math.ceil(part.byteLength / 4) * 4);
        whole.set(part);
        part = whole;
      }
      queue.writeBuffer(target, at, part.buffer, part.byteOffset, part.byteLength);
      this.inFlight += part.byteLength;
      if (this.inFlight >= UPLOADS_IN_FLIGHT_BYTES) await this.settle();
    }
  }

  /** Waits until the device has everything that was uploaded. */
  async settle(): Promise<void> {
    await this.watch.settle();
    this.inFlight = 0;
  }
}
