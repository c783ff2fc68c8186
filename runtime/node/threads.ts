import { Worker } from "node:worker_threads";
import type { ThreadReport } from "../cpu/participant.js";
import type { SpawnThread } from "../cpu/thread-pool.js";

const PORT = `const { parentPort } = require("node:worker_threads");
const port = { listen: (handler) => parentPort.on("message", handler), post: (report) => parentPort.postMessage(report) };
`;

/** Worker threads of Node. They do not keep the process alive. */
export const spawnNodeThread: SpawnThread = (source, owner) => {
  // The source is CommonJS, also in a process that was told to take such texts for modules (`node --input-type=module`).
  const worker = new Worker(PORT + source, { eval: true, execArgv: ["--input-type=commonjs"] });
  worker.on("message", (report: ThreadReport) => owner.onReport(report));
  worker.on("error", (error) => owner.onError(error));
  worker.unref();
  return {
    post: (message) => worker.postMessage(message),
    keepAlive: (alive) => (alive ? worker.ref() : worker.unref()),
    terminate: async () => {
      await worker.terminate();
    },
  };
};
