import type { TritcError } from "../../ir/errors.js";
import { stalledError, watchProgress } from "../stall.js";

/** Waits for a device's queue, but not for a kernel that never ends: that gives the device up. */
export class QueueWatch {
  /** What was submitted and is not done, the oldest first. */
  private readonly pending: string[] = [];
  private done = 0;
  private stalled: TritcError | undefined;

  constructor(
    private readonly device: GPUDevice,
    private readonly seconds: number,
    /** Nothing is asked of the device after this. */
    private readonly giveUp: (device: GPUDevice) => void,
  ) {}

  get isStalled(): boolean {
    return this.stalled !== undefined;
  }

  throwIfStalled(): void {
    if (this.stalled !== undefined) throw this.stalled;
  }

  /** Submits commands; `name` says what they do. */
  submit(name: string, commands: GPUCommandBuffer): void {
    const { queue } = this.device;
    queue.submit([commands]);
    this.pending.push(name);
    const done = () => {
      this.pending.shift();
      this.done += 1;
    };
    queue.onSubmittedWorkDone().then(done, done);
  }

  /** Waits for everything that was submitted and written. */
  settle(): Promise<void> {
    return this.wait(
      "the queue's writes",
      this.device.queue.onSubmittedWorkDone().then(() => undefined),
    );
  }

  /** Waits for what comes after everything that was submitted. Throws TRITC_E_KERNEL_STALLED. */
  async wait<T>(name: string, work: Promise<T>): Promise<T> {
    this.throwIfStalled();
    let unwatch: (() => void) | undefined;
    const stalled = new Promise<never>((_, reject) => {
      unwatch = watchProgress(
        () => this.done,
        this.seconds,
        () => {
          unwatch?.();
          this.stalled = stalledError(this.pending[0] ?? name, this.seconds, "none; the device was given up");
          this.giveUp(this.device);
          reject(this.stalled);
        },
      );
    });
    try {
      return await Promise.race([work, stalled]);
    } finally {
      unwatch?.();
    }
  }
}
