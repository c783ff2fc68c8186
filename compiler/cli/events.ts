import type { TritcError } from "../../ir/errors.js";
import { jsonText } from "./json.js";

/** What `--progress json` writes to standard error, one a line. */
export type CliEvent = ProgressEvent | NoteEvent | ErrorEvent;

export interface ProgressEvent {
  readonly event: "progress";
  /** What is being done, such as `sampling`. */
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  /** What `done` counts: `bytes`, `steps`, … */
  readonly unit: string;
  /** Units a second, and the time left at that rate; not before there is one. */
  readonly rate?: number;
  readonly secondsLeft?: number;
  /** Numbers that come with it: the loss of a training step. */
  readonly values?: Readonly<Record<string, number>>;
}

export interface NoteEvent {
  readonly event: "note";
  readonly text: string;
}

export interface ErrorEvent extends ErrorDocument {
  readonly event: "error";
}

/** An error as `--json` prints it; null for what it does not say. */
export interface ErrorDocument {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly place: string | null;
    readonly expected: string | null;
    readonly found: string | null;
    readonly remedy: string | null;
    /** Further problems of the same work, where there are any. */
    readonly others?: readonly string[];
  };
}

export function errorDocument({ details }: TritcError): ErrorDocument {
  const { code, message, place = null, expected = null, found = null, remedy = null, others } = details;
  const error = { code, message, place, expected, found, remedy };
  return { error: others === undefined ? error : { ...error, others } };
}

export function eventLine(event: CliEvent): string {
  return `${jsonText(event)}\n`;
}
