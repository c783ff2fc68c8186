import type { CliIo } from "./io.js";

/**
 * Modules that do a command's work. Ctrl-C that came while they loaded is an event that waits: it is let in, and ends the
 * command, before work begins that lets none in.
 */
export async function loaded<T>(module: Promise<T>, { io }: { readonly io: CliIo }): Promise<T> {
  const found = await module;
  // The second comes after the event loop has looked for events once.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  io.interruptSignal().throwIfAborted();
  return found;
}
