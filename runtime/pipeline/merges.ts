/** The pairs of a `merges.txt`: a version line, then one pair a line, best first. */
export function pairsOf(merges: string): readonly string[] {
  return merges
    .split("\n")
    .map((line) => line.replace(/\r$/, ""))
    .filter((line) => line.trim() !== "" && !line.startsWith("#version"));
}
