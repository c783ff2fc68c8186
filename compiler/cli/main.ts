#!/usr/bin/env node
import { TritcError } from "../../ir/errors.js";
import { isInterruptHeld, stopOnInterrupt } from "../interruptible.js";
import type { CliIo } from "./io.js";
import { reportError, reportNote } from "./report-error.js";

/** How long work may take to stop in order after Ctrl-C, in milliseconds: an answer comes within half a second. */
const GRACE = 250;
/** What the process exits with, as shells expect it: 128 + the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const AGAIN = { SIGINT: "Ctrl-C again", SIGTERM: "another SIGTERM" } as const;

const interrupted = new AbortController();
let stoppedBy: keyof typeof EXIT_CODES | undefined;
/** What a second signal does while the work saves; without it the default. */
let endNow: (() => void) | undefined;

/**
 * Asks the work to stop, and ends the process where it does not; work that would lose something has the time to save it. A second
 * signal ends it at once, as by default.
 */
function stop(name: keyof typeof EXIT_CODES): TritcError {
  const error = new TritcError({
    code: "TRITC_E_INTERRUPTED",
    message: "interrupted",
    found: `${name} before the work was done`,
    remedy: "run the command again; nothing half-written is in place of the result",
  });
  stoppedBy = name;
  interrupted.abort(error);
  const end = () => {
    reportError(error, argv, io);
    process.exit(EXIT_CODES[name]);
  };
  if (isInterruptHeld()) {
    endNow = end;
    reportNote(`saving what was done; ${AGAIN[name]} stops at once`, argv, io);
  } else {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    setTimeout(end, GRACE).unref();
  }
  return error;
}

function onSignal(name: keyof typeof EXIT_CODES): void {
  if (endNow === undefined) stop(name);
  else endNow();
}
for (const signal of SIGNALS) process.on(signal, onSignal);
stopOnInterrupt(() => stop("SIGINT"), interrupted.signal);

// Whoever reads our output may stop early, as `head` does: that is no failure of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(process.exitCode);
  });
}

const { stdin, stdout, stderr } = process;
const io: CliIo = { stdin, stdout, stderr, interruptSignal: () => interrupted.signal };
const argv = process.argv.slice(2);
// Loaded only now, so that Ctrl-C is answered while it loads.
const { runCli } = await import("./cli.js");
const exitCode = await runCli(argv, io);
process.exitCode = exitCode === 0 || stoppedBy === undefined ? exitCode : EXIT_CODES[stoppedBy];
// What failed may have left work that nothing ends, such as a GPU's kernel: it ends with the process.
if (exitCode !== 0) stdout.write("", () => stderr.write("", () => process.exit()));
