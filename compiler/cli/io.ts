/** What a command talks to: the process in `main.ts`, buffers in tests. */
export interface CliIo {
  readonly stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean | undefined };
  readonly stdout: CliSink;
  readonly stderr: CliSink;
  /**
   * A signal that Ctrl-C aborts from now on. Only commands that have something to put back in order ask for
   * it; all others end the way the system ends a process.
   */
  interruptSignal(): AbortSignal;
}

export interface CliSink {
  write(data: string | Uint8Array): unknown;
  /** Whether a person watches: progress is shown to people only. */
  readonly isTTY?: boolean | undefined;
}
