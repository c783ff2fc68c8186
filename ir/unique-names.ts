/** Hands out names, each once: `base`, or `base` with the next number that makes it a new one. */
export class UniqueNames {
  readonly #taken: Set<string>;
  /** Where counting goes on for each base: very many may share one. */
  readonly #next = new Map<string, number>();

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  /** @param numbered the name with a number; counting begins at `first` */
  claim(base: string, numbered: (n: number) => string = (n) => `${base}.${n}`, first = 1): string {
    let name = base;
    let n = this.#next.get(base) ?? first;
    while (this.#taken.has(name)) name = numbered(n++);
    this.#next.set(base, n);
    this.#taken.add(name);
    return name;
  }
}
