/** What a command talks to: the process in `main.ts`, buffers in tests. */
export interface CliIo {
  readonly stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean | undefined };
  readonly stdout: CliSink;
  readonly stderr: CliSink;
  /** What Ctrl-C aborts. Work that does not stop in a moment ends with the process, and its temporary files with it. */
  interruptSignal(): AbortSignal;
}

export interface CliSink {
  write(data: string | Uint8Array): unknown;
  /** Whether a person watches: progress is shown to people only. */
  readonly isTTY?: boolean | undefined;
}
