/** A map whose own entries come before those of another, which stays as it is and is not copied. */
export class Overlay<K, V> {
  readonly #own = new Map<K, V>();

  constructor(private readonly base: ReadonlyMap<K, V>) {}

  get(key: K): V | undefined {
    return this.#own.get(key) ?? this.base.get(key);
  }

  has(key: K): boolean {
    return this.#own.has(key) || this.base.has(key);
  }

  set(key: K, value: V): void {
    this.#own.set(key, value);
  }

  /** All entries; where both maps have one, the own one. */
  merged(): Map<K, V> {
    return new Map([...this.base, ...this.#own]);
  }
}
