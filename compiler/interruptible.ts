import { createContext, runInContext } from "node:vm";

let onInterrupt: (() => Error) | undefined;

/**
 * Does long synchronous work. In a process that has called `stopOnInterrupt`, Ctrl-C stops it in the middle of a loop, where no
 * event could come in; anywhere else this is a call like any other.
 */
export function interruptible<T>(work: () => T): T {
  if (onInterrupt === undefined) return work();
  try {
    return runInContext("work()", createContext({ work }), { breakOnSigint: true }) as T;
  } catch (error) {
    // An error of the context, so no instance of this module's Error.
    const isStopped = Object(error).code === "ERR_SCRIPT_EXECUTION_INTERRUPTED";
    throw isStopped ? onInterrupt() : error;
  }
}

/** From now on Ctrl-C stops synchronous work, which then throws what `reason` gives. For a program, not for a library. */
export function stopOnInterrupt(reason: () => Error): void {
  onInterrupt = reason;
}
