import { TritcError } from "../ir/errors.js";

/** Work that is done one piece after the other, in the order in which it was asked for. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** @param owner whose turns these are, for the error of work that comes after `close` */
  constructor(private readonly owner: string) {}

  /**
   * Does `work` when all before it is done, whatever became of that. A signal's abort rejects at once; work that has
   * begun then keeps its turn until it has ended. Rejects with TRITC_E_CLOSED after `close`.
   */
  async take<T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    this.throwIfClosed();
    return abortable(this.#append(work, signal), signal);
  }

  /** The last turn: does `work` once, after all that was asked for before; there is none after it. */
  close(work: () => Promise<void>): Promise<void> {
    this.#closed ??= this.#append(work);
    return this.#closed;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  throwIfClosed(): void {
    if (this.isClosed) throw closedError(this.owner);
  }

  #append<T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.#last.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** The error of a call that comes after `close`. */
export function closedError(owner: string): TritcError {
  return new TritcError({
    code: "TRITC_E_CLOSED",
    message: `the ${owner} was closed`,
    remedy: "close it after the last call, or open it again",
  });
}

async function abortable<T>(turn: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return turn;
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([turn, aborted]);
  } finally {
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}

const sequences = new WeakMap<object, Turns>();

/** Turns for sequences of calls that only make sense together, such as write, run and read of a program. */
export function sequencesOf(owner: object): Turns {
  const turns = sequences.get(owner) ?? new Turns("program");
  sequences.set(owner, turns);
  return turns;
}
