/** Rows of a tile where a row of c channels is one unit of work: about 4096 elements, so that few rows still divide. */
export function rowTile(c: number): number {
  return Math.max(1, Math.min(64, Math.floor(4096 / c)));
}
