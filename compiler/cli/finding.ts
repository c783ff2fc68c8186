import { TritcError } from "../../ir/errors.js";

/** One thing a machine has or lacks. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do about it where something is missing. */
  readonly remedy?: string;
}

/** What an error says is missing. Rethrows what is not for a user. */
export function missing(name: string, error: unknown): Finding {
  if (!(error instanceof TritcError)) throw error;
  const { message, found, remedy } = error.details;
  const detail = found === undefined ? message : `${message}: ${found}`;
  return { name, ok: false, detail, ...(remedy === undefined ? {} : { remedy }) };
}
