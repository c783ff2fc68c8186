import type { CliIo, CliSink } from "./io.js";

export { formatBytes, formatCount } from "../units.js";

/** Options that every command takes. */
export interface OutputOptions {
  /** One JSON document on stdout instead of text. */
  readonly json?: boolean;
  /** No progress and no remarks on stderr. */
  readonly quiet?: boolean;
  /** Where output goes; the process's own streams if absent. */
  readonly io?: Pick<CliIo, "stdout" | "stderr">;
}

/** Data goes to stdout, remarks and progress to stderr; progress on a terminal only. */
export class Terminal {
  readonly #options: OutputOptions;
  readonly #stdout: CliSink;
  readonly #stderr: CliSink;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.#stdout = options.io?.stdout ?? process.stdout;
    this.#stderr = options.io?.stderr ?? process.stderr;
  }

  /** The command's result: `value` as JSON, or `text` for people. */
  result(value: unknown, text: string): void {
    this.#stdout.write(this.#options.json === true ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`);
  }

  /** A remark about the work. */
  note(text: string): void {
    if (this.#options.quiet !== true) this.#stderr.write(`${text}\n`);
  }

  /**
   * A progress bar with rate and time left; silent off a terminal, under `--quiet` and `--json`. The unit `bytes` shows
   * sizes.
   */
  progress(label: string, unit: string): Progress {
    const shown =
      this.#stderr.isTTY === true &&
      process.env.TERM !== "dumb" &&
      this.#options.quiet !== true &&
      this.#options.json !== true;
    let bar: Progress | undefined;
    let stopped = !shown;
    // Whoever sees no bar does not wait for its package to load.
    if (shown) {
      void import("./progress-bar.js").then(({ progressBar }) => {
        if (!stopped) bar = progressBar(label, unit);
      });
    }
    return {
      update: (done, total) => bar?.update(done, total),
      stop() {
        stopped = true;
        bar?.stop();
      },
    };
  }
}

export interface Progress {
  update(done: number, total: number): void;
  stop(): void;
}

/** Left-aligned text columns; numbers are aligned right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, String(cell).length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          typeof cell === "number" ? String(cell).padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
