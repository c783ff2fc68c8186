import { createContext, runInContext } from "node:vm";

/**
 * Does synchronous work, and stops it in the middle, within a regular expression too, where it takes longer than so many
 * seconds: throws what `tooLong` gives then.
 */
export function withinSeconds<T>(seconds: number, work: () => T, tooLong: () => Error): T {
  try {
    return runInContext("work()", createContext({ work }), { timeout: Math.ceil(seconds * 1000) }) as T;
  } catch (error) {
    // An error of the context, so no instance of this module's Error.
    throw Object(error).code === "ERR_SCRIPT_EXECUTION_TIMEOUT" ? tooLong() : error;
  }
}
