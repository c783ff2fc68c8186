import { TritcError } from "../../ir/errors.js";
import {
  chunksOf,
  WASM_CONTROL_ADDRESS,
  WASM_CONTROL_HEAD,
  WASM_MAX_PAGES,
  WASM_SCRATCH_BYTES,
  wasmFirstFree,
  wasmScratchAreas,
} from "../../targets/cpu/abi.js";
import { stalledError, watchProgress } from "../stall.js";
import { createParticipant, epochOf, type ThreadMessage, type ThreadReport } from "./participant.js";
import type { LentThread, ThreadOwner, ThreadPool } from "./thread-pool.js";

/** How the device's own thread behaves. */
export interface ThreadOptions {
  /** Threads in all. */
  readonly threads: number;
  /** Absent: everything runs on the calling thread. */
  readonly pool: ThreadPool | undefined;
  /** The calling thread may block, so it takes a share. False where it has to answer: a page, Ctrl-C. */
  readonly callerWorks: boolean;
  /** Seconds without any progress after which the threads are stopped. */
  readonly stallSeconds: number;
}

/** Threads that run launches one after the other, together, over one shared memory. */
export class ThreadTeam {
  readonly memory: WebAssembly.Memory;
  /** First free address behind the control block and the scratch areas. */
  readonly firstFree: number;
  private readonly caller: ((message: ThreadMessage) => void) | undefined;
  private readonly workers: readonly LentThread[];
  private readonly control: Int32Array;
  /** Runs so far; a report of an earlier run comes late and means nothing. */
  private runs = 0;
  /** See WASM_CONTROL_HEAD. */
  private version = 0;
  private lastPhases = "";
  private pending = 0;
  private errors: string[] = [];
  private settle: (() => void) | undefined;
  /** Why the threads are gone; nothing runs any more then. */
  private dead: TritcError | undefined;
  /** The tables that the threads have. */
  private tables: Readonly<Record<string, Int32Array>> = {};
  private phases: readonly string[] = [];
  /** Names a launch of a phase's table for people. */
  nameLaunch: (phase: string, index: number) => string = (phase, index) => `launch ${index} of ${phase}`;

  /** `launches`: as many as tables ever name at a time. */
  constructor(
    private readonly options: ThreadOptions,
    launches: number,
  ) {
    const { threads, pool } = options;
    const controlWords = WASM_CONTROL_HEAD + 2 * launches;
    const scratchAreas = wasmScratchAreas(launches);
    this.firstFree = wasmFirstFree(threads, launches);
    const pages = Math.ceil(this.firstFree / 65_536);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: WASM_MAX_PAGES, shared: true });
    this.control = new Int32Array(this.memory.buffer, WASM_CONTROL_ADDRESS, controlWords);
    const onReport = (report: ThreadReport) => this.reported(report);
    const owner: ThreadOwner = {
      onReport,
      onError: (error) => this.fail(threadFault(`a worker thread ended: ${String(error)}`)),
    };
    const alone = pool === undefined || (threads === 1 && options.callerWorks);
    this.caller = alone || options.callerWorks ? createParticipant(onReport, false) : undefined;
    const workers = alone ? 0 : threads - (this.caller === undefined ? 0 : 1);
    this.workers = Array.from({ length: workers }, () => {
      if (pool === undefined) throw new Error("workers without a way to start them");
      return pool.take(owner);
    });
    const members = this.members();
    members.forEach((post, index) => {
      const scratch = scratchAreas + index * WASM_SCRATCH_BYTES;
      const { memory } = this;
      post({
        type: "start",
        memory,
        threads: members.length,
        scratch,
        control: WASM_CONTROL_ADDRESS,
        controlWords,
      });
    });
  }

  /** Gives every thread its kernels; returns when all have them, so that no run waits for a thread that failed. */
  async start(modules: readonly WebAssembly.Module[]): Promise<void> {
    this.expectReports();
    this.send({ type: "kernels", modules });
    await this.allReported();
  }

  /** Sends every thread a message that is not a run. */
  send(message: ThreadMessage): void {
    this.version += 1;
    if (message.type === "tables") this.tables = message.tables;
    for (const post of this.members()) post(message);
  }

  /** Runs different phases of the tables that were sent. Rejects if a kernel trapped or a thread is gone. */
  async run(phases: readonly string[]): Promise<void> {
    if (this.dead !== undefined) throw this.dead;
    this.runs += 1;
    this.phases = phases;
    this.expectReports();
    if (phases.join() !== this.lastPhases) this.version += 1;
    this.lastPhases = phases.join();
    Atomics.store(this.control, 0, 0);
    // The epoch before the count: a late thread that sees the count at 0 must see that its run is over.
    for (let word = WASM_CONTROL_HEAD; word < this.control.length; word += 2) {
      Atomics.store(this.control, word, epochOf(this.runs));
      Atomics.store(this.control, word + 1, 0);
    }
    // The version first: whoever sees the run's number sees its version too.
    Atomics.store(this.control, 2, this.version);
    Atomics.store(this.control, 1, this.runs);
    Atomics.notify(this.control, 1);
    const message: ThreadMessage = { type: "run", run: this.runs, version: this.version, phases };
    for (const worker of this.workers) worker.post(message);
    // The caller blocks until every launch is done.
    this.caller?.(message);
    // Then reports are only needed for what went wrong.
    if (this.caller === undefined || Atomics.load(this.control, 0) !== 0) await this.allReported();
  }

  /** Idle threads go back to where they came from. */
  async close(): Promise<void> {
    const idle = this.dead === undefined && this.pending === 0;
    await Promise.all(this.workers.map((worker) => (idle ? worker.release() : worker.terminate())));
  }

  private members(): readonly ((message: ThreadMessage) => void)[] {
    const posts = this.workers.map((worker) => (message: ThreadMessage) => worker.post(message));
    return this.caller === undefined ? posts : [this.caller, ...posts];
  }

  private expectReports(): void {
    this.pending = this.members().length;
    this.errors = [];
  }

  private async allReported(): Promise<void> {
    if (this.pending > 0 && this.dead === undefined) {
      for (const worker of this.workers) worker.keepAlive(true);
      const { stallSeconds } = this.options;
      const unwatch = watchProgress(
        () => this.progress(),
        stallSeconds,
        () => this.fail(stalledError(this.stuckAt(), stallSeconds, "none; the threads were stopped")),
      );
      await new Promise<void>((resolve) => {
        this.settle = resolve;
      });
      unwatch();
      for (const worker of this.workers) worker.keepAlive(false);
    }
    if (this.dead !== undefined) throw this.dead;
    if (this.errors.length > 0) throw threadFault(`a kernel failed: ${this.errors.join("; ")}`);
  }

  /** Chunks of launches that are finished, and threads that are. */
  private progress(): number {
    let chunks = -this.pending;
    for (let word = WASM_CONTROL_HEAD; word < this.control.length; word++) {
      chunks += Atomics.load(this.control, word) & 0xfff;
    }
    return chunks;
  }

  /** The launch that the threads are at, in words. */
  private stuckAt(): string {
    if (this.runs === 0) return "the start of the kernels";
    for (const phase of this.phases) {
      const table = this.tables[phase] ?? new Int32Array();
      for (let at = 0; at < table.length; at += 4) {
        const done = Atomics.load(this.control, WASM_CONTROL_HEAD + 2 * (table[at + 3] ?? 0) + 1);
        if (done < chunksOf(table[at + 2] ?? 0, this.members().length)) return this.nameLaunch(phase, at / 4);
      }
    }
    return `phases ${this.phases.join(", ")}`;
  }

  /** Nothing runs after that. */
  private fail(error: TritcError): void {
    this.dead ??= error;
    void this.close();
    this.settle?.();
  }

  private reported({ run, error }: ThreadReport): void {
    if (run !== this.runs) return;
    if (error !== null) this.errors.push(error);
    this.pending -= 1;
    if (this.pending === 0) this.settle?.();
  }
}

function threadFault(message: string): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL_TRAP",
    message,
    place: "cpu device",
    remedy: "verify the bundle and the memory at hand; else this is a defect of the kernel or of the program",
  });
}
