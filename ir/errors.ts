/** What an error tells a user: where, what was expected, what was found, and what to try next. */
export interface ErrorDetails {
  /** Stable identifier, listed in `docs/errors.md`: `TRITC_E_` and upper-case words. */
  readonly code: `TRITC_E_${string}`;
  /** One sentence: what went wrong. */
  readonly message: string;
  /** File, node, tensor or flag the error is about. */
  readonly place?: string;
  readonly expected?: string;
  readonly found?: string;
  /** Further problems of the same work, each in a line. */
  readonly others?: readonly string[];
  /** How many of them a terminal shows, where it is more than a few. */
  readonly othersShown?: number;
  /** The next thing to try. */
  readonly remedy?: string;
  /** 1: the work failed (default). 2: the command line is wrong. */
  readonly exitCode?: 1 | 2;
  readonly cause?: unknown;
}

/** Escapes control, ANSI and bidirectional characters, so that a name from a file cannot drive a terminal. */
export function printable(text: string, limit = 200): string {
  const shown = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return shown.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => {
    const point = c.codePointAt(0) ?? 0;
    return `\\u{${point.toString(16)}}`;
  });
}

/** The one error class a user meets. */
export class TritcError extends Error {
  readonly code: string;
  readonly exitCode: 1 | 2;
  readonly details: ErrorDetails;

  constructor(details: ErrorDetails) {
    super(formatError(details), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "TritcError";
    this.code = details.code;
    this.exitCode = details.exitCode ?? 1;
    this.details = details;
  }
}

/** Further problems that a terminal shows. */
const MOST_OTHERS = 4;

function formatError(d: ErrorDetails): string {
  // Messages may hold names from files, and line breaks of their own.
  const message = d.message
    .split("\n")
    .map((line) => printable(line, Number.POSITIVE_INFINITY))
    .join("\n");
  const lines = [d.place === undefined ? message : `${printable(d.place)}: ${message}`];
  if (d.expected !== undefined) lines.push(`  expected: ${printable(d.expected)}`);
  if (d.found !== undefined) lines.push(`  found:    ${printable(d.found)}`);
  if (d.others !== undefined && d.others.length > 0) {
    const shown = d.others.slice(0, d.othersShown ?? MOST_OTHERS).map((other) => printable(other));
    const rest = d.others.length - shown.length;
    lines.push(
      `  also:     ${[...shown, ...(rest > 0 ? [`and ${rest} more (--json has all)`] : [])].join("\n            ")}`,
    );
  }
  if (d.remedy !== undefined) lines.push(`  try:      ${printable(d.remedy, 1000)}`);
  return lines.join("\n");
}
