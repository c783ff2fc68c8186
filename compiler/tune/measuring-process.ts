import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { TritcError } from "../../ir/errors.js";
import { ChildCalls } from "../../runtime/node/child-calls.js";
import type { MeasuringCalls } from "./messages.js";

/** What `child.ts` is after the build. */
const CHILD = new URL("./child.js", import.meta.url);

/** Thrown where the process did not answer in time, and was ended. */
export class TookTooLong extends Error {
  constructor(readonly seconds: number) {
    super(`no result within ${seconds.toFixed(1)} s`);
  }
}

/** A process that runs kernels, and which is ended where one of them hangs. */
export class MeasuringProcess {
  readonly #calls: ChildCalls;

  constructor(child: URL = CHILD) {
    const started = fork(fileURLToPath(child), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "advanced",
    });
    this.#calls = new ChildCalls(started, endedBy);
  }

  /** Whether it still takes calls. */
  get lives(): boolean {
    return this.#calls.lives;
  }

  /** Throws TookTooLong after so many seconds, and what the call threw. */
  async call<Name extends keyof MeasuringCalls>(
    seconds: number,
    name: Name,
    ...values: Parameters<MeasuringCalls[Name]>
  ): Promise<ReturnType<MeasuringCalls[Name]>> {
    const timer = setTimeout(() => {
      this.#calls.end(new TookTooLong(seconds));
      this.#calls.close();
    }, seconds * 1000);
    try {
      return (await this.#calls.call([name, ...values])) as ReturnType<MeasuringCalls[Name]>;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#calls.close();
  }
}

function endedBy(how: number | NodeJS.Signals | null): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL_TRAP",
    message: `the process that measures ended (${how})`,
    remedy: "free some memory, and run the command again",
  });
}
