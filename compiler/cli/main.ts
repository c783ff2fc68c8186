#!/usr/bin/env node
import { TritcError } from "../../ir/errors.js";
import { runCli } from "./cli.js";
import type { CliIo } from "./io.js";

/** How long work may take to stop in order after Ctrl-C, in milliseconds. */
const GRACE = 3000;

/** What the process exits with once a signal has stopped the work, as shells expect it: 128 + its number. */
let stoppedBy: number | undefined;

/** Aborted by Ctrl-C and by a polite kill. A second Ctrl-C, or work that does not stop, ends the process. */
function interruptSignal(): AbortSignal {
  const interrupted = new AbortController();
  const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
  for (const [name, exitCode] of Object.entries(exitCodes)) {
    process.once(name, () => {
      stoppedBy = exitCode;
      interrupted.abort(
        new TritcError({
          code: "TRITC_E_INTERRUPTED",
          message: "interrupted",
          found: `${name} before the work was done`,
          remedy: "run the command again; nothing half-written is in place of the result",
        }),
      );
      setTimeout(() => process.exit(exitCode), GRACE).unref();
    });
  }
  return interrupted.signal;
}

// Whoever reads our output may stop early, as `head` does: that is no failure of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(process.exitCode);
  });
}

const { stdin, stdout, stderr } = process;
const io: CliIo = { stdin, stdout, stderr, interruptSignal };
const exitCode = await runCli(process.argv.slice(2), io);
process.exitCode = exitCode === 0 ? 0 : (stoppedBy ?? exitCode);
