import type { Target } from "../../targets/target.js";
import type { Choice } from "./choose.js";

/** The most candidates that are kept, some 300 bytes each. */
const MOST = 32_768;

/**
 * Choices that were made without measurements, by target and by what they were made for: programs of one size, and those compiled
 * one after the other, want the same kernels again and again, and choosing takes longer than all else about a kernel. What was asked
 * for last is kept.
 */
export class RememberedChoices {
  readonly #made = new Map<string, readonly Choice[]>();
  /** Targets by number: equal ones are not always one. */
  readonly #targets = new WeakMap<Target, number>();
  #count = 0;
  #candidates = 0;

  /** @param about all that decides about the choices besides the target */
  of(target: Target, about: string, make: () => readonly Choice[]): readonly Choice[] {
    const key = `${this.#numberOf(target)} ${about}`;
    const known = this.#made.get(key);
    const choices = known ?? make();
    this.#made.delete(key);
    this.#made.set(key, choices);
    if (known !== undefined) return known;
    this.#candidates += sizeOf(choices);
    for (const [oldest, dropped] of this.#made) {
      if (this.#candidates <= MOST || oldest === key) break;
      this.#made.delete(oldest);
      this.#candidates -= sizeOf(dropped);
    }
    return choices;
  }

  #numberOf(target: Target): number {
    const number = this.#targets.get(target) ?? this.#count++;
    this.#targets.set(target, number);
    return number;
  }
}

function sizeOf(choices: readonly Choice[]): number {
  return choices.reduce((sum, { candidates }) => sum + candidates.length, 0);
}
