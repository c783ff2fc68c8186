import { createContext, runInContext } from "node:vm";

interface Interruption {
  /** Called when Ctrl-C stops work; gives what the work then throws. */
  readonly reason: () => Error;
  /** Aborted when Ctrl-C came between two pieces of work. */
  readonly signal: AbortSignal;
}
let interruption: Interruption | undefined;

/**
 * Does long synchronous work. In a process that has called `stopOnInterrupt`, Ctrl-C stops it in the middle of a loop, where no
 * event could come in; anywhere else this is a call like any other.
 */
export function interruptible<T>(work: () => T): T {
  if (interruption === undefined) return work();
  interruption.signal.throwIfAborted();
  try {
    return runInContext("work()", createContext({ work }), { breakOnSigint: true }) as T;
  } catch (error) {
    // An error of the context, so no instance of this module's Error.
    const isStopped = Object(error).code === "ERR_SCRIPT_EXECUTION_INTERRUPTED";
    throw isStopped ? interruption.reason() : error;
  }
}

/**
 * From now on Ctrl-C stops synchronous work, which then throws what `reason` gives, and after it none begins. For a program,
 * not for a library.
 */
export function stopOnInterrupt(reason: () => Error, signal: AbortSignal): void {
  interruption = { reason, signal };
}

let held = 0;

/**
 * There is work that must not be lost: until it is released, Ctrl-C only aborts the signal, and ends the process when it comes a
 * second time. Who holds it saves soon after the signal.
 */
export function holdInterrupt(): () => void {
  held++;
  let isReleased = false;
  return () => {
    if (!isReleased) held--;
    isReleased = true;
  };
}

export function isInterruptHeld(): boolean {
  return held > 0;
}
