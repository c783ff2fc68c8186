import type { ThreadReport } from "./participant.js";
import type { SpawnThread } from "./thread-pool.js";

const PORT = `const port = {
  listen: (handler) => self.addEventListener("message", (event) => handler(event.data)),
  post: (report) => self.postMessage(report),
};
`;

const BLOCKED = "its script did not load; the page's Content-Security-Policy needs worker-src blob:";

/** Web Workers. The page must be cross-origin isolated, and its policy must allow workers from blobs. */
export const spawnWebWorker: SpawnThread = (source, owner) => {
  const url = URL.createObjectURL(new Blob([PORT, source], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.addEventListener("message", (event: MessageEvent<ThreadReport>) => owner.onReport(event.data));
  // A script that does not load leaves no message.
  worker.addEventListener("error", (event) => owner.onError(event.message || BLOCKED));
  return {
    post: (message) => worker.postMessage(message),
    // A page lives as long as its tab.
    keepAlive: () => undefined,
    terminate: async () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
};
