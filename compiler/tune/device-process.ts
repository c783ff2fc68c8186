import type { OpenDeviceOptions } from "../../runtime/node/open-device.js";
import type { CaseProgram } from "./case-program.js";
import { MeasuringProcess, TookTooLong } from "./measuring-process.js";
import type { CaseCode, OpenedDevice } from "./messages.js";

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

/** A device in a process of its own, which is started again where a kernel has ended it. */
export class DeviceProcess {
  readonly #options: DeviceProcessOptions;
  #process: MeasuringProcess | undefined;
  #device: OpenedDevice | undefined;
  /** The longest that a right program took. */
  #longest = 0;

  constructor(options: DeviceProcessOptions) {
    this.#options = options;
  }

  /** The device. */
  async opened(): Promise<OpenedDevice> {
    await this.#opened();
    return this.#device ?? { description: "", kind: -1, features: [] };
  }

  /** Throws TookTooLong where it hangs. What was loaded before is gone after any error that ended the process; see `lives`. */
  async load(key: string, made: CaseProgram, code: CaseCode): Promise<Loaded> {
    const child = await this.#opened();
    const begun = performance.now();
    const results = await child.call(PATIENCE + 10 * this.#longest, "load", key, made, code);
    const seconds = (performance.now() - begun) / 1000;
    this.#longest = Math.max(this.#longest, seconds);
    return { results, seconds };
  }

  /** Seconds of each of so many runs, of which one should take about `expected`. */
  async time(key: string, runs: number, expected: number): Promise<readonly number[]> {
    const child = await this.#opened();
    return child.call(PATIENCE + 20 * expected * runs, "time", key, runs);
  }

  async free(key: string): Promise<void> {
    if (this.lives) await this.#process?.call(PATIENCE + 10 * this.#longest, "free", key);
  }

  /** Whether the process still has what was loaded. */
  get lives(): boolean {
    return this.#process?.lives === true;
  }

  close(): void {
    this.#process?.close();
    this.#process = undefined;
  }

  async #opened(): Promise<MeasuringProcess> {
    const { target, child, signal, threads, stallSeconds, software, device } = this.#options;
    signal?.throwIfAborted();
    if (this.#process?.lives === true) return this.#process;
    this.close();
    const started = new MeasuringProcess(child);
    this.#process = started;
    const options = { threads, stallSeconds, software, device };
    this.#device = await started.call(OPENING, "open", target, options);
    return started;
  }
}

export { TookTooLong };
