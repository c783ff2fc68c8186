import { runInNewContext } from "node:vm";

/** All the names of a model against all the patterns of an adapter take some milliseconds. */
const MOST_MILLISECONDS = 1000;

/**
 * For each name the first of PEFT's patterns that it matches, as Python's re.match(rf"(.*\.)?({pattern})$") does, or -1.
 * Throws SyntaxError for a pattern that is no regular expression, and RangeError for one that takes too long.
 */
export function firstMatches(patterns: readonly string[], names: readonly string[]): readonly number[] {
  if (patterns.length === 0) return names.map(() => -1);
  const sources = patterns.map((pattern) => `^(?:.*\\.)?(?:${translated(pattern)})$`);
  for (const source of sources) new RegExp(source);
  try {
    // A pattern may backtrack for longer than anybody lives; only a context of its own can be stopped.
    const text: unknown = runInNewContext(
      `{
        const expressions = JSON.parse(sources).map((source) => new RegExp(source));
        JSON.stringify(JSON.parse(names).map((name) => expressions.findIndex((e) => e.test(name))));
      }`,
      { sources: JSON.stringify(sources), names: JSON.stringify(names) },
      { timeout: MOST_MILLISECONDS },
    );
    return JSON.parse(String(text)) as number[];
  } catch (error) {
    // Errors of another context are no instances of this one's classes.
    if (
      typeof error === "object" &&
      error !== null &&
      "code" in error &&
      error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
    ) {
      throw new RangeError(`the patterns take more than ${MOST_MILLISECONDS / 1000} s`);
    }
    throw error;
  }
}

/** What Python spells differently. */
function translated(pattern: string): string {
  return pattern
    .replaceAll("(?P<", "(?<")
    .replace(/\(\?P=(\w+)\)/g, "\\k<$1>")
    .replaceAll("\\A", "^")
    .replaceAll("\\Z", "$");
}
