/** JSON values with objects as Maps: no name is special (`__proto__`), and no key can hide another. */
export type JsonValue =
  | null
  | boolean
  | string
  | JsonNumber
  | readonly JsonValue[]
  | ReadonlyMap<string, JsonValue>;

/** A number as it is written, so that whoever reads it can tell 2^53 + 1 from 2^53. */
export class JsonNumber {
  constructor(readonly text: string) {}

  /** The value if it is written as a whole number in [0, 2^53), else undefined. */
  toIndex(): number | undefined {
    const value = Number(this.text);
    return /^(0|[1-9]\d*)$/.test(this.text) && Number.isSafeInteger(value) ? value : undefined;
  }
}

const MAX_DEPTH = 64;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Parses JSON text, refusing duplicate keys and deep nesting. Throws SyntaxError. */
export function parseStrictJson(text: string): JsonValue {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  private at = 0;

  constructor(private readonly text: string) {}

  value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw this.error(`nesting deeper than ${MAX_DEPTH}`);
    this.space();
    const c = this.text[this.at];
    if (c === "{") return this.object(depth);
    if (c === "[") return this.array(depth);
    if (c === '"') return this.string();
    if (c === "t") return this.word("true", true);
    if (c === "f") return this.word("false", false);
    if (c === "n") return this.word("null", null);
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (match === null) throw this.error("a value was expected");
    this.at += match[0].length;
    return new JsonNumber(match[0]);
  }

  end(): void {
    this.space();
    if (this.at !== this.text.length) throw this.error("text after the value");
  }

  private object(depth: number): ReadonlyMap<string, JsonValue> {
    const members = new Map<string, JsonValue>();
    this.at++;
    this.space();
    if (this.take("}")) return members;
    for (;;) {
      this.space();
      if (this.text[this.at] !== '"') throw this.error("a key was expected");
      const key = this.string();
      if (members.has(key)) throw this.error(`duplicate key ${JSON.stringify(key)}`);
      this.space();
      if (!this.take(":")) throw this.error("':' was expected");
      members.set(key, this.value(depth + 1));
      this.space();
      if (this.take("}")) return members;
      if (!this.take(",")) throw this.error("',' or '}' was expected");
    }
  }

  private array(depth: number): readonly JsonValue[] {
    const items: JsonValue[] = [];
    this.at++;
    this.space();
    if (this.take("]")) return items;
    for (;;) {
      items.push(this.value(depth + 1));
      this.space();
      if (this.take("]")) return items;
      if (!this.take(",")) throw this.error("',' or ']' was expected");
    }
  }

  private string(): string {
    const start = this.at++;
    for (; this.text[this.at] !== '"'; this.at++) {
      // The escapes themselves are JSON.parse's to judge, and so are control characters.
      if (this.text[this.at] === "\\") this.at++;
      if (this.at >= this.text.length) throw this.error("a string does not end");
    }
    this.at++;
    const decoded: unknown = JSON.parse(this.text.slice(start, this.at));
    if (typeof decoded !== "string") throw this.error("a string was expected");
    return decoded;
  }

  private word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.error("a value was expected");
    this.at += word.length;
    return value;
  }

  private take(c: string): boolean {
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private space(): void {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at++;
  }

  private error(message: string): SyntaxError {
    return new SyntaxError(`${message} at character ${this.at}`);
  }
}
