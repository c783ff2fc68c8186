import { TritcError } from "../../ir/errors.js";
import { parseStrictJson } from "../../ir/format/strict-json.js";

export type PlainJson = null | boolean | number | string | readonly PlainJson[] | PlainObject;
export interface PlainObject {
  readonly [key: string]: PlainJson;
}

/** One prompt of a set, and what its file says of it. */
export interface PromptEntry {
  readonly prompt: string;
  /** What scores are counted by: GenEval's `tag`, or a `category`. */
  readonly category: string | null;
  /** The object of its line, or its row of a table by lower-case names: `prompt` is in it. Null for plain text. */
  readonly metadata: PlainObject | null;
}

/** A prompt a line; a JSON object a line, as GenEval has it; a table with tabs between columns, as PartiPrompts has it. */
export type PromptSetKind = "lines" | "json" | "table";

export interface PromptSet {
  readonly kind: PromptSetKind;
  /** In the order of the file. */
  readonly entries: readonly PromptEntry[];
}

/** A line that says something. */
interface Line {
  readonly text: string;
  /** File and number, from 1 on. */
  readonly place: string;
}

/** Reads prompts of any kind, told by the first line that says something. Throws TRITC_E_PROMPTS with the line. */
export function parsePromptSet(text: string, file: string): PromptSet {
  const lines = text
    .replace(/^\uFEFF/, "")
    .split(/\r\n?|\n/)
    .map((line, i): Line => ({ text: line, place: `${file}, line ${i + 1}` }))
    .filter((line) => line.text.trim() !== "");
  const head = lines[0]?.text.trim() ?? "";
  if (BEGINS_JSON.test(head)) return { kind: "json", entries: lines.map(jsonEntry) };
  const columns = head.split("\t").map((name) => name.trim().toLowerCase());
  if (columns.length > 1 && columns.includes("prompt")) {
    return { kind: "table", entries: lines.slice(1).map((line) => tableEntry(columns, line)) };
  }
  return { kind: "lines", entries: lines.map((line) => entry(line, line.text, null)) };
}

/** Of an object or a list, which a prompt in braces or brackets does not look like. */
const BEGINS_JSON = /^(\{\s*("|\}|$)|\[\s*("|\{|$))/;

function jsonEntry(line: Line): PromptEntry {
  let value: PlainJson;
  try {
    // Refuses depths that nothing could write again, and names that come twice.
    parseStrictJson(line.text);
    value = JSON.parse(line.text) as PlainJson;
  } catch (error) {
    throw notAPrompt(line, "a JSON object in one line", String(error));
  }
  if (!isObject(value)) throw notAPrompt(line, "a JSON object in one line", line.text);
  return entry(line, value.prompt, value);
}

/** Cells hold quotation marks as they are: PartiPrompts' own begin with some. */
function tableEntry(columns: readonly string[], line: Line): PromptEntry {
  const cells = line.text.split("\t").map((cell) => cell.trim());
  if (cells.length > columns.length) {
    throw notAPrompt(line, `at most ${columns.length} columns: ${columns.join(", ")}`, String(cells.length));
  }
  const metadata = Object.fromEntries(columns.map((name, i) => [name, cells[i] ?? ""]));
  return entry(line, metadata.prompt, metadata);
}

function entry(line: Line, found: PlainJson | undefined, metadata: PlainObject | null): PromptEntry {
  const prompt = typeof found === "string" ? found.trim() : "";
  if (prompt === "") throw notAPrompt(line, "a text `prompt`", line.text);
  if (/\p{Surrogate}/u.test(prompt)) throw notAPrompt(line, "Unicode text", "half a surrogate pair");
  const category = [metadata?.tag, metadata?.category].find(
    (value) => typeof value === "string" && value !== "",
  );
  return { prompt, category: typeof category === "string" ? category : null, metadata };
}

function isObject(value: PlainJson): value is PlainObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notAPrompt({ place }: Line, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_PROMPTS",
    message: "this line gives no prompt",
    place,
    expected,
    found,
    remedy: "correct the line: all lines of a file are of one kind, as its first tells it",
  });
}
