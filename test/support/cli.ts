import { runCli } from "../../compiler/cli/cli.js";
import type { CliSink } from "../../compiler/cli/io.js";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
}

export interface CliSettings {
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Whether standard input and output are a terminal. */
  readonly isTTY?: boolean;
  /** Aborting stands for Ctrl-C. */
  readonly signal?: AbortSignal;
}

/** The command line in this process. */
export async function cli(argv: readonly string[], settings: CliSettings = {}): Promise<CliResult> {
  const [stdout, stderr] = [new Capture(settings.isTTY), new Capture()];
  const { stdin = new Uint8Array() } = settings;
  const stream = stdin instanceof Uint8Array ? once(stdin) : stdin;
  const code = await runCli(argv, {
    stdin: Object.assign(stream, { isTTY: settings.isTTY }),
    stdout,
    stderr,
    interruptSignal: () => settings.signal ?? new AbortController().signal,
  });
  return {
    code,
    stdout: stdout.bytes.toString(),
    stdoutBytes: stdout.bytes,
    stderr: stderr.bytes.toString(),
  };
}

class Capture implements CliSink {
  bytes: Buffer = Buffer.alloc(0);
  readonly isTTY: boolean | undefined;

  constructor(isTTY?: boolean) {
    this.isTTY = isTTY;
  }

  write(data: string | Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, Buffer.from(data)]);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
