import type { ChildProcess } from "node:child_process";
import { type ErrorDetails, TritcError } from "../../ir/errors.js";

/** What a process answers a call with: of a failure its words, and where tritc knows it what makes the same error again. */
export type Answer =
  | { readonly result: unknown }
  | { readonly failure: string; readonly details?: ErrorDetails };

/** What a process answers a call with that failed. */
export function failureOf(error: unknown): Answer {
  if (!(error instanceof TritcError))
    return { failure: error instanceof Error ? error.message : String(error) };
  // A cause may be anything, also what cannot be sent.
  const { cause: _, ...details } = error.details;
  return { failure: error.message, details };
}

/** One call after the other to a process that answers each with a result or with what went wrong. */
export class ChildCalls {
  readonly #child: ChildProcess;
  readonly #kill = () => void this.#child.kill("SIGKILL");
  #settle: { resolve(result: unknown): void; reject(error: Error): void } | undefined;
  #ended: Error | undefined;

  /** @param ended what it means that the process has ended, by its exit code or signal */
  constructor(child: ChildProcess, ended: (how: number | NodeJS.Signals | null) => Error) {
    this.#child = child;
    child.on("message", (message: Answer) => {
      if ("failure" in message) this.#settle?.reject(errorOf(message));
      else this.#settle?.resolve(message.result);
    });
    child.on("error", (error) => this.end(error));
    child.on("exit", (code, signal) => this.end(ended(signal ?? code)));
    process.once("exit", this.#kill);
  }

  /** Whether it still takes calls. */
  get lives(): boolean {
    return this.#ended === undefined;
  }

  /** Rejects with what the call failed with, or with why the process has ended. */
  async call(message: readonly unknown[]): Promise<unknown> {
    try {
      return await new Promise<unknown>((resolve, reject) => {
        if (this.#ended !== undefined) return reject(this.#ended);
        this.#settle = { resolve, reject };
        // What breaks the channel ends the process, and that it has ended says more.
        this.#child.send([...message], (error) => error !== null && this.#kill());
      });
    } finally {
      this.#settle = undefined;
    }
  }

  /** Takes no further calls, and gives up the one that is being answered. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#settle?.reject(error);
  }

  /** Ends the process. */
  close(): void {
    process.off("exit", this.#kill);
    this.#kill();
  }
}

function errorOf({ failure, details }: Extract<Answer, { failure: string }>): Error {
  return details === undefined ? new Error(failure) : new TritcError(details);
}
