/** The candidate that a misspelled word most likely means, or undefined where none comes near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const given = bare(word);
  let best: string | undefined;
  let least = Math.max(1, Math.floor(0.4 * given.length)) + 1;
  for (const candidate of candidates) {
    const name = bare(candidate);
    // Part of a name (`cuda` of `cuda-portable`) is as good as one slip, and the name itself better.
    const isPart = given.length >= 3 && name !== given && name.includes(given);
    const cost = isPart ? 1 : distance(given, name);
    if (cost < least && cost < Math.max(given.length, name.length)) [best, least] = [candidate, cost];
  }
  return best;
}

/** Dashes and case are not what a word is told from others by. */
function bare(word: string): string {
  return word.replace(/^-+/, "").toLowerCase();
}

/** Insertions, deletions, substitutions and swaps of neighbours that make one word of the other. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
