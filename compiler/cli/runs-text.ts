/** How often a program of a bundle runs for a picture. */
export function runsText(runs: number): string {
  return runs === 1 ? "once for a picture" : `${runs} times for a picture`;
}
