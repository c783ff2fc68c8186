import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { expect, it } from "vitest";
import { builtCli } from "../support/built-cli.js";

it.each(["module", "commonjs"])("threads start where texts are %s", async (type) => {
  const dist = join(dirname(await builtCli()), "../..");
  const of = (path: string) => JSON.stringify(pathToFileURL(join(dist, path)).href);
  const script = `(async () => {
    const { spawnNodeThread } = await import(${of("runtime/node/threads.js")});
    const { startThread } = await import(${of("compiler/worker-thread.js")});
    const job = 'const { parentPort, workerData } = require("node:worker_threads");'
      + 'parentPort.on("message", (n) => parentPort.postMessage(n * workerData));';
    const jobs = startThread(job, 6, "multiplies");
    console.log(await jobs.run(7));
    await jobs.terminate();
    const said = await new Promise((onReport, onError) => {
      const thread = spawnNodeThread("port.listen((n) => port.post(n + 1))", { onReport, onError });
      thread.keepAlive(true);
      thread.post(1);
    });
    console.log(said);
    process.exit();
  })();`;
  const { stdout } = await execa(process.execPath, [`--input-type=${type}`, "-e", script], {
    timeout: 20_000,
  });
  expect(stdout).toBe("42\n2");
});
