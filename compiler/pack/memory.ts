/** What a compilation may take while it packs weights, where nobody says otherwise. */
const DEFAULT_BYTES = 2e9;
/** What it may take besides what the process has already: a program that holds much may compile as well. */
const LEAST_ROOM_BYTES = 256e6;

/** What a process that takes `taken` bytes already may take in all while it packs weights, where nobody says otherwise. */
export function defaultMemory(taken: number): number {
  return Math.max(DEFAULT_BYTES, taken + LEAST_ROOM_BYTES);
}
