/** What a thread is told. Messages are handled in order. */
export type ThreadMessage =
  | {
      readonly type: "start";
      readonly memory: WebAssembly.Memory;
      readonly threads: number;
      /** Address of this thread's scratch area. */
      readonly scratch: number;
      /** Address and size of the control block. */
      readonly control: number;
      readonly controlWords: number;
    }
  | { readonly type: "kernels"; readonly modules: readonly WebAssembly.Module[] }
  /** By phase: kernel index, address of the words, number of tiles and place in the control block, for each launch. */
  | { readonly type: "tables"; readonly tables: Readonly<Record<string, Int32Array>> }
  | {
      readonly type: "run";
      readonly run: number;
      readonly version: number;
      readonly phases: readonly string[];
    }
  /** Nothing is kept of what was told: the next message is another program's start. */
  | { readonly type: "end" };

/** What a thread answers: one report per run, and one with run 0 when it has its kernels. */
export interface ThreadReport {
  /** The number that the run message carried. */
  readonly run: number;
  /** The trap or error that stopped its part of the work. */
  readonly error: string | null;
}

/** The epoch of a run, as it stands above the 12 bits of chunks taken. */
export function epochOf(run: number): number {
  return (run & 0x7ffff) << 12;
}

/**
 * One thread's share of the work. Threads take chunks of a launch's tiles as they get to them, and go on to the next
 * launch when all chunks are done: a thread that the system holds up delays nobody but by the chunk it has in hand. A
 * thread that comes so late that the host has begun another run finds another epoch and leaves. Which thread computes a
 * tile does not change its values. Returns the message handler. Self-contained: its text is also the source of the
 * worker threads.
 *
 * A thread that `lingers` may block for a moment after a run, in wait for the next one.
 * After a trap the rest of the run is taken and counted without running, so that no thread hangs.
 */
export function createParticipant(
  report: (report: ThreadReport) => void,
  lingers: boolean,
): (message: ThreadMessage) => void {
  // Spinning beats sleeping while the other threads are about to arrive, and takes their core away where cores are busy
  // with something else: it goes on for as long as short waits have been the rule.
  const [fewestSpins, mostSpins, shortWaitMs] = [500, 30_000, 0.1];
  let spins = 4000;
  /** How long a thread that has finished a run waits for the next one before it goes back to its messages. */
  const lingerMs = 1;
  let control = new Int32Array(4);
  let lastRun = 0;
  let memory: WebAssembly.Memory | undefined;
  let threads = 1;
  let scratch = 0;
  let kernels: ((words: number, begin: number, end: number) => void)[] = [];
  let error: string | null = null;
  let tables: Readonly<Record<string, Int32Array>> = {};

  function instantiate(modules: readonly WebAssembly.Module[]): string | null {
    try {
      if (memory === undefined) throw new Error("kernels before start");
      const global = new WebAssembly.Global({ value: "i32", mutable: false }, scratch);
      // Without prototypes, along which engines look imports up: a kernel gets what stands here and nothing else.
      const env = Object.assign(Object.create(null), {
        memory,
        scratch: global,
        sin: Math.sin,
        cos: Math.cos,
      });
      const imports: WebAssembly.Imports = Object.assign(Object.create(null), { env });
      kernels = modules.map((module) => {
        const { run } = new WebAssembly.Instance(module, imports).exports;
        return run as (words: number, begin: number, end: number) => void;
      });
      return null;
    } catch (cause) {
      return `instantiation: ${String(cause)}`;
    }
  }

  function runChunk(table: Int32Array, at: number, chunk: number, chunks: number): void {
    const tiles = table[at + 2] ?? 0;
    const kernel = kernels[table[at] ?? -1];
    try {
      if (kernel === undefined) throw new Error("a launch names a kernel that was not sent");
      const begin = Math.floor((tiles * chunk) / chunks);
      kernel(table[at + 1] ?? 0, begin, Math.floor((tiles * (chunk + 1)) / chunks));
    } catch (cause) {
      error = `launch ${at / 4}: ${String(cause)}`;
      Atomics.store(control, 0, 1);
    }
  }

  /** One launch, from its first free chunk until all are done; false if its run is over. */
  function launch(epoch: number, table: Int32Array, at: number): boolean {
    // As `chunksOf` of the binary interface says.
    const chunks = Math.min(table[at + 2] ?? 0, Math.max(16, 4 * threads));
    const taken = 4 + 2 * (table[at + 3] ?? 0);
    const done = taken + 1;
    for (;;) {
      const seen = Atomics.load(control, taken);
      if ((seen & ~0xfff) !== epoch) return false;
      const chunk = seen & 0xfff;
      if (chunk >= chunks) break;
      if (Atomics.compareExchange(control, taken, seen, seen + 1) !== seen) continue;
      if (Atomics.load(control, 0) === 0) runChunk(table, at, chunk, chunks);
      if (Atomics.add(control, done, 1) === chunks - 1) Atomics.notify(control, done);
    }
    for (let i = 0; i < spins; i++) if (Atomics.load(control, done) >= chunks) return true;
    const started = performance.now();
    for (;;) {
      const count = Atomics.load(control, done);
      if (count >= chunks) break;
      if ((Atomics.load(control, taken) & ~0xfff) !== epoch) return false;
      Atomics.wait(control, done, count);
    }
    const short = performance.now() - started < shortWaitMs;
    spins = short ? Math.min(mostSpins, spins * 2) : Math.max(fewestSpins, spins >> 1);
    return true;
  }

  function execute(run: number, phases: readonly string[]): void {
    const epoch = (run & 0x7ffff) << 12;
    error = null;
    for (const phase of phases) {
      const table = tables[phase] ?? new Int32Array(0);
      for (let at = 0; at < table.length; at += 4) if (!launch(epoch, table, at)) break;
    }
    report({ run, error });
  }

  /** Executes a run, and those of its version that come soon after. */
  function follow(first: number, version: number, phases: readonly string[]): void {
    let run = first;
    // A message that comes after its run was taken up already says nothing new.
    while (run > lastRun) {
      lastRun = run;
      execute(run, phases);
      if (lingers) Atomics.wait(control, 1, run, lingerMs);
      // In this order: the host writes the version first, so a run that is seen here has at least the version read next.
      run = Atomics.load(control, 1);
      if (!lingers || Atomics.load(control, 2) !== version) return;
    }
  }

  return (message) => {
    switch (message.type) {
      case "start":
        ({ memory, threads, scratch } = message);
        control = new Int32Array(memory.buffer, message.control, message.controlWords);
        break;
      case "kernels":
        report({ run: 0, error: instantiate(message.modules) });
        break;
      case "tables":
        ({ tables } = message);
        break;
      case "run":
        follow(message.run, message.version, message.phases);
        break;
      case "end":
        control = new Int32Array(4);
        lastRun = 0;
        memory = undefined;
        kernels = [];
        tables = {};
        break;
    }
  };
}
