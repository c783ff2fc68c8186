import { Worker } from "node:worker_threads";

/** A thread that does one job after the other. */
export interface WorkerThread<Job, Result> {
  run(job: Job): Promise<Result>;
  terminate(): Promise<unknown>;
}

/** Starts a thread from its source, which posts one message for each that it gets. `purpose`: for messages. */
export function startThread<Job, Result>(
  source: string,
  workerData: unknown,
  purpose: string,
): WorkerThread<Job, Result> {
  // It is CommonJS, also in a process that was told to take such texts for modules (`node --input-type=module`).
  const worker = new Worker(source, { eval: true, workerData, execArgv: ["--input-type=commonjs"] });
  let settle: { resolve(result: Result): void; reject(error: unknown): void } | undefined;
  let broken: unknown;
  const fail = (error: unknown) => {
    broken ??= error;
    settle?.reject(error);
    settle = undefined;
  };
  worker.on("message", (result: Result) => {
    settle?.resolve(result);
    settle = undefined;
  });
  worker.on("error", fail);
  worker.on("exit", () => fail(new Error(`a thread that ${purpose} ended`)));
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        if (broken !== undefined) return reject(broken);
        settle = { resolve, reject };
        worker.postMessage(job);
      }),
    terminate: () => worker.terminate(),
  };
}
