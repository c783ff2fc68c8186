import { printable, TritcError } from "../../ir/errors.js";
import { describeSystemError } from "../system-errors.js";
import { errorDocument, eventLine } from "./events.js";
import type { CliIo } from "./io.js";
import { jsonText } from "./json.js";

/** Says what went wrong in the form that the arguments ask for, even where they could not be understood. */
export function reportError(
  error: unknown,
  argv: readonly string[],
  io: Pick<CliIo, "stdout" | "stderr">,
): void {
  const known = error instanceof TritcError ? error : (describeSystemError(error) ?? internalError(error));
  const options = optionsIn(argv);
  if (/^--json$/m.test(options)) io.stdout.write(`${jsonText(errorDocument(known), 2)}\n`);
  else if (EVENTS.test(options)) {
    io.stderr.write(eventLine({ event: "error", ...errorDocument(known) }));
  } else io.stderr.write(`tritc: ${known.message}\n  [${known.code}]\n`);
}

/** A remark of the program itself, likewise. */
export function reportNote(text: string, argv: readonly string[], { stderr }: Pick<CliIo, "stderr">): void {
  const options = optionsIn(argv);
  if (EVENTS.test(options)) stderr.write(eventLine({ event: "note", text }));
  else if (!/^--quiet$/m.test(options)) stderr.write(`${text}\n`);
}

const EVENTS = /^--progress[=\n]json$/m;

/** One a line. */
function optionsIn(argv: readonly string[]): string {
  const end = argv.indexOf("--");
  return (end === -1 ? argv : argv.slice(0, end)).join("\n");
}

/** A defect of ours: its stack says where. */
function internalError(error: unknown): TritcError {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = text.split("\n").map((line) => printable(line, 1000));
  return new TritcError({
    code: "TRITC_E_INTERNAL",
    message: ["internal error", ...lines].join("\n"),
    remedy: "please report it: this is a defect of tritc",
    cause: error,
  });
}
