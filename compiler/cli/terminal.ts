import { printable } from "../../ir/errors.js";
import { type CliEvent, eventLine } from "./events.js";
import type { CliIo, CliSink } from "./io.js";
import { jsonText } from "./json.js";
import { type Progress, progressEvents } from "./progress.js";

export type { Progress } from "./progress.js";

/** Options that every command takes. */
export interface OutputOptions {
  /** One JSON document on stdout instead of text. */
  readonly json?: boolean;
  /** Nothing but errors on stderr, and no summary of what was written. */
  readonly quiet?: boolean;
  /** Remarks and progress on stderr: for people, or as JSON lines. */
  readonly progress?: "bar" | "json";
  /** Where output goes; the process's own streams if absent. */
  readonly io?: Pick<CliIo, "stdout" | "stderr">;
}

/**
 * Data goes to stdout, remarks and progress to stderr; a progress bar on a terminal only. Whatever comes from files
 * is shown with its control characters escaped.
 */
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
    this.#stdout.write(`${this.#options.json === true ? jsonText(value, 2) : printableLines(text)}\n`);
  }

  /** A command's result of which the files it wrote hold all: `--quiet` leaves the text out. */
  summary(value: unknown, text: string): void {
    if (this.#options.json === true || this.#options.quiet !== true) this.result(value, text);
  }

  /** A remark about the work. */
  note(text: string): void {
    if (this.#options.progress === "json") this.#emit({ event: "note", text });
    else if (this.#options.quiet !== true) this.#stderr.write(`${printableLines(text)}\n`);
  }

  /**
   * Progress with rate and time left: a bar, silent off a terminal, under `--quiet` and `--json`; or events. The unit
   * `bytes` shows sizes.
   */
  progress(label: string, unit: string): Progress {
    if (this.#options.progress === "json") return progressEvents(label, unit, (event) => this.#emit(event));
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
        if (!stopped) bar = progressBar(printable(label), unit);
      });
    }
    return {
      update: (done, total, values) => bar?.update(done, total, values),
      stop() {
        stopped = true;
        bar?.stop();
      },
    };
  }

  #emit(event: CliEvent): void {
    this.#stderr.write(eventLine(event));
  }
}

/** Left-aligned text columns; numbers are aligned right. A cell is one line, whatever it holds. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === "number" ? cell : printable(cell, Number.POSITIVE_INFINITY))),
  );
  const widths: number[] = [];
  for (const row of cells) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, String(cell).length);
  }
  return cells
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

function printableLines(text: string): string {
  return text
    .split("\n")
    .map((line) => printable(line, Number.POSITIVE_INFINITY))
    .join("\n");
}
