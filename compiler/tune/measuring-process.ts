import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answer, MeasuringCalls } from "./messages.js";

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
  readonly #child: ChildProcess;
  readonly #kill = () => void this.#child.kill("SIGKILL");
  #settle: { resolve(result: unknown): void; reject(error: Error): void } | undefined;
  #ended: Error | undefined;

  constructor(child: URL = CHILD) {
    this.#child = fork(fileURLToPath(child), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "advanced",
    });
    this.#child.on("message", (message: Answer) => {
      if ("failure" in message) this.#settle?.reject(new Error(message.failure));
      else this.#settle?.resolve(message.result);
    });
    this.#child.on("error", (error) => this.#end(error));
    this.#child.on("exit", (code, signal) => this.#end(new Error(`the process ended (${signal ?? code})`)));
    process.once("exit", this.#kill);
  }

  /** Whether it still takes calls. */
  get lives(): boolean {
    return this.#ended === undefined;
  }

  /** Throws TookTooLong after so many seconds, and what the call threw. */
  async call<Name extends keyof MeasuringCalls>(
    seconds: number,
    name: Name,
    ...values: Parameters<MeasuringCalls[Name]>
  ): Promise<ReturnType<MeasuringCalls[Name]>> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return (await new Promise<unknown>((resolve, reject) => {
        if (this.#ended !== undefined) return reject(this.#ended);
        this.#settle = { resolve, reject };
        timer = setTimeout(() => this.#end(new TookTooLong(seconds)), seconds * 1000);
        this.#child.send([name, ...values], (error) => error !== null && this.#kill());
      })) as ReturnType<MeasuringCalls[Name]>;
    } finally {
      clearTimeout(timer);
      this.#settle = undefined;
    }
  }

  close(): void {
    process.off("exit", this.#kill);
    this.#kill();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#settle?.reject(error);
    this.#kill();
  }
}
