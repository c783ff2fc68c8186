import type { OpenDeviceOptions } from "../../runtime/node/open-device.js";
import type { CaseProgram } from "./case-program.js";
import { MeasuringProcess, TookTooLong } from "./measuring-process.js";
import type { CaseCode, MeasuringCalls, OpenedDevice } from "./messages.js";

export interface DeviceProcessOptions extends OpenDeviceOptions {
  readonly target: string;
  /** The module of the process that measures; that of this package if absent. */
  readonly child?: URL | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Seconds in which a device opens. */
const OPENING = 120;
/** Seconds in which any program loads, and any run ends, whatever the others take. */
const PATIENCE = 5;

/** A program that was loaded and ran. */
export interface Loaded {
  /** SHA-256 of its results. */
  readonly results: string;
  /** Seconds from the order to load to the end of the first run. */
  readonly seconds: number;
}

/** Thrown where a call was given up because there is no more time for it, however long it would have taken; the process was ended. */
export class OutOfTime extends Error {
  constructor(readonly seconds: number) {
    super(`it was not done in the ${seconds.toFixed(1)} s that it had`);
  }
}

/** Thrown where a kernel could not be loaded or run for another reason, which ended the process or not. */
export class Failed extends Error {
  /** The first of its lines says what went wrong. */
  constructor(override readonly cause: unknown) {
    super((cause instanceof Error ? cause.message : String(cause)).split("\n", 1)[0]);
  }
}

/** A device in a process of its own, which is started again where a kernel has ended it. */
export class DeviceProcess {
  readonly #options: DeviceProcessOptions;
  #process: MeasuringProcess | undefined;
  #device: OpenedDevice | undefined;
  /** What the process that lives now has loaded. */
  readonly #loaded = new Set<string>();
  /** The longest that a right program took. */
  #longest = 0;
  /** When all calls have to be done, of `performance.now()`: those that are not throw OutOfTime. */
  until = Number.POSITIVE_INFINITY;

  constructor(options: DeviceProcessOptions) {
    this.#options = options;
  }

  /** The device. */
  async opened(): Promise<OpenedDevice> {
    await this.#opened();
    return this.#device ?? { description: "", kind: -1, features: [] };
  }

  /**
   * Throws TookTooLong where it hangs, OutOfTime, Failed, and what opening the device throws. What was loaded before is gone after any error that ended the process; see `lives`
   * and `has`.
   */
  async load(key: string, made: CaseProgram, code: CaseCode): Promise<Loaded> {
    const begun = performance.now();
    const results = await this.#call(PATIENCE + 10 * this.#longest, "load", key, made, code);
    const seconds = (performance.now() - begun) / 1000;
    this.#longest = Math.max(this.#longest, seconds);
    this.#loaded.add(key);
    return { results, seconds };
  }

  /** SHA-256 of what a loaded program has left in its results. */
  async results(key: string): Promise<string> {
    return this.#call(PATIENCE + 10 * this.#longest, "results", key);
  }

  /** Seconds of each of so many runs, of which one should take about `expected`. */
  async time(key: string, runs: number, expected: number): Promise<readonly number[]> {
    return this.#call(PATIENCE + 20 * expected * runs, "time", key, runs);
  }

  /** Frees a program, if there is such a one. */
  async free(key: string): Promise<void> {
    if (!this.has(key)) return;
    this.#loaded.delete(key);
    await this.#process?.call(PATIENCE + 10 * this.#longest, "free", key);
  }

  /** Frees all programs. */
  async freeAll(): Promise<void> {
    for (const key of this.#loaded) await this.free(key);
  }

  /** Whether the process still has what was loaded. */
  get lives(): boolean {
    return this.#process?.lives === true;
  }

  has(key: string): boolean {
    return this.lives && this.#loaded.has(key);
  }

  close(): void {
    this.#process?.close();
    this.#process = undefined;
    this.#loaded.clear();
  }

  async #call<Name extends keyof MeasuringCalls>(
    patience: number,
    name: Name,
    ...values: Parameters<MeasuringCalls[Name]>
  ): Promise<ReturnType<MeasuringCalls[Name]>> {
    const child = await this.#opened();
    const { signal } = this.#options;
    const left = (this.until - performance.now()) / 1000;
    if (left <= 0) throw new OutOfTime(0);
    // Whoever asks to stop does not wait for the end of a run.
    const stop = () => this.close();
    signal?.addEventListener("abort", stop);
    try {
      return await child.call(Math.min(patience, left), name, ...values);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TookTooLong)) throw new Failed(error);
      throw left < patience ? new OutOfTime(left) : error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  async #opened(): Promise<MeasuringProcess> {
    const { target, child, signal, threads, stallSeconds, software, device } = this.#options;
    signal?.throwIfAborted();
    if (this.#process?.lives === true) return this.#process;
    this.close();
    if (performance.now() > this.until) throw new OutOfTime(0);
    const started = new MeasuringProcess(child);
    this.#process = started;
    const options = { threads, stallSeconds, software, device };
    this.#device = await started.call(OPENING, "open", target, options);
    return started;
  }
}

export { TookTooLong };
