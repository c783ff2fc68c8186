import { TritcError } from "../errors.js";

/** A cursor over IR text: skips white space and `//` comments, fails with line and column. */
export class TextReader {
  #at = 0;
  readonly #text: string;
  readonly #file: string;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  fail(message: string): never {
    const before = this.#text.slice(0, this.#at).split("\n");
    const place = `${this.#file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
    const found = this.#text.slice(this.#at, this.#at + 40);
    throw new TritcError({
      code: "TRITC_E_IR_TEXT",
      message,
      place,
      found: found === "" ? "end of text" : found,
      remedy: "correct the text; if it is a bundle's, compile the model again",
    });
  }

  #skip(): void {
    const space = /(?:\s|\/\/[^\n]*)*/y;
    space.lastIndex = this.#at;
    space.exec(this.#text);
    this.#at = space.lastIndex;
  }

  peek(token: string): boolean {
    this.#skip();
    return this.#text.startsWith(token, this.#at);
  }

  accept(token: string): boolean {
    if (!this.peek(token)) return false;
    this.#at += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.accept(token)) this.fail(`expected ${JSON.stringify(token)}`);
  }

  /** The text a sticky pattern matches here. */
  match(pattern: RegExp, what: string): string {
    this.#skip();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return this.fail(`expected ${what}`);
    this.#at = pattern.lastIndex;
    return found[0];
  }

  integer(): number {
    return Number(this.match(/-?\d+/y, "a whole number"));
  }

  string(): string {
    return JSON.parse(this.match(/"(?:[^"\\]|\\.)*"/y, "a quoted string")) as string;
  }

  /** One or more items with commas between. */
  list<T>(item: () => T): T[] {
    const items = [item()];
    while (this.accept(",")) items.push(item());
    return items;
  }

  /** A JSON value; numbers may also be NaN, Infinity and -Infinity. */
  json(): unknown {
    this.#skip();
    if (this.accept("[")) {
      const items = this.peek("]") ? [] : this.list(() => this.json());
      this.expect("]");
      return items;
    }
    if (this.accept("{")) {
      const entries = this.peek("}") ? [] : this.list(() => this.#entry());
      this.expect("}");
      return Object.fromEntries(entries);
    }
    if (this.peek('"')) return this.string();
    const word = this.match(/-?Infinity|NaN|true|false|null|-?\d[0-9.]*(?:[eE][+-]?\d+)?/y, "a value");
    if (word === "true" || word === "false") return word === "true";
    return word === "null" ? null : Number(word);
  }

  #entry(): readonly [string, unknown] {
    const key = this.string();
    this.expect(":");
    return [key, this.json()];
  }

  end(): void {
    this.#skip();
    if (this.#at < this.#text.length) this.fail("expected the end of the text");
  }
}
