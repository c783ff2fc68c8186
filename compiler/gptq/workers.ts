import { setImmediate } from "node:timers/promises";
import { interruptible } from "../interruptible.js";
import { startThread } from "../worker-thread.js";
import { createCholesky, type StripJob } from "./cholesky.js";
import { createProduct } from "./product.js";
import { createRows, type RowsJob, type RowsResult } from "./rows.js";
import { createStripProduct, type StripProductJob } from "./strips.js";

/** Columns that are factored, or rounded, before what they change is carried further. */
export const BLOCK = 128;

interface Jobs {
  readonly update: StripJob;
  readonly factor: StripJob;
  readonly solve: StripJob;
  readonly rows: RowsJob;
  readonly product: StripProductJob;
}
interface Results {
  readonly update: null;
  readonly factor: number;
  readonly solve: null;
  readonly rows: RowsResult;
  readonly product: null;
}
type Kind = keyof Jobs;
type Work = { readonly [K in Kind]: (job: Jobs[K]) => Results[K] };

/** Threads that share the matrices they work on. */
export interface GptqPool {
  /** Jobs that run at the same time, at least 1: no more may be begun. */
  readonly threads: number;
  run<K extends Kind>(kind: K, job: Jobs[K]): Promise<Results[K]>;
  close(): Promise<void>;
}

const THREAD = `
const { parentPort } = require("node:worker_threads");
const product = (${createProduct.toString()})(${BLOCK});
const work = {
  ...(${createCholesky.toString()})(product, ${BLOCK}),
  rows: (${createRows.toString()})(product, ${BLOCK}),
  product: (${createStripProduct.toString()})(product, ${BLOCK}),
};
parentPort.on("message", ({ kind, job }) => parentPort.postMessage(work[kind](job)));
`;

/**
 * Starts `threads` threads, or works in this one where that is 0. When the signal comes, every job fails with its reason at once,
 * and the threads end.
 */
export function openGptqPool(threads: number, signal?: AbortSignal): GptqPool {
  return threads === 0 ? ownThread(signal) : workerThreads(threads, signal);
}

function ownThread(signal: AbortSignal | undefined): GptqPool {
  const product = createProduct(BLOCK);
  const work: Work = {
    ...createCholesky(product, BLOCK),
    rows: createRows(product, BLOCK),
    product: createStripProduct(product, BLOCK),
  };
  return {
    threads: 1,
    async run(kind, job) {
      // Events, such as Ctrl-C, come in between two jobs.
      await setImmediate();
      signal?.throwIfAborted();
      return interruptible(() => work[kind](job));
    },
    close: async () => undefined,
  };
}

function workerThreads(threads: number, signal: AbortSignal | undefined): GptqPool {
  const workers = Array.from({ length: threads }, () =>
    startThread<{ kind: Kind; job: Jobs[Kind] }, Results[Kind]>(THREAD, null, "rounds weights"),
  );
  const idle = [...workers];
  const close = async () => {
    signal?.removeEventListener("abort", close);
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  signal?.addEventListener("abort", close);
  return {
    threads,
    async run<K extends Kind>(kind: K, job: Jobs[K]) {
      signal?.throwIfAborted();
      const worker = idle.pop();
      if (worker === undefined) throw new RangeError(`more than ${threads} jobs at a time`);
      try {
        // A thread answers with the result of the kind it was asked for.
        return (await worker.run({ kind, job })) as Results[K];
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        idle.push(worker);
      }
    },
    close,
  };
}
