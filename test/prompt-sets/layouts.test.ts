import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { promptFileName } from "../../compiler/prompt-sets/file-name.js";
import { defaultLayout, layoutOf } from "../../compiler/prompt-sets/layouts.js";
import { parsePromptSet } from "../../compiler/prompt-sets/prompt-set.js";

describe("a prompt as the name of a file", () => {
  it.each([
    ["The cup is blue.", "The cup is blue."],
    ["black/white, 11:44", "black white, 11 44"],
    ["a\\b a\tb a\u0000b a_b", "a b a b a b a b"],
    ['the word "STOP"? <yes> | *no*', "the word STOP yes no"],
    ["../../etc/passwd", "etc passwd"],
    [".hidden", "hidden"],
    ["con. artist", "con artist"],
    ["COM1.txt", "COM1 txt"],
    ["a con. artist", "a con. artist"],
    ["???", "prompt"],
    ["Ein Fuß 🦊", "Ein Fuß 🦊"],
  ])("%j is %j", (prompt, name) => {
    expect(promptFileName(prompt)).toBe(name);
  });

  it("is cut between characters where it is long", () => {
    expect(promptFileName("a".repeat(1000))).toBe("a".repeat(200));
    expect(promptFileName(`a${"🦊".repeat(1000)}`)).toBe(`a${"🦊".repeat(49)}`);
    expect(promptFileName(`${"a".repeat(199)} b`)).toBe("a".repeat(199));
  });
});

describe("the layout of a set", () => {
  const of = (text: string) => defaultLayout(parsePromptSet(text, "p"));

  it("is one that keeps what the file says of its prompts", () => {
    expect([of("a ring"), of('{"prompt": "a ring"}'), of("Prompt\tCategory\na ring\tA")]).toEqual([
      ...["compbench", "geneval", "geneval"],
    ]);
  });

  it("says what a prompt is beside its pictures, where names do not", () => {
    const [row] = parsePromptSet("Prompt\tNote\na ring\t7", "p").entries;
    const [line] = parsePromptSet("a ring", "p").entries;
    if (row === undefined || line === undefined) throw new Error("no prompts");
    const { record } = layoutOf("geneval");
    expect(record(row, 7)).toEqual({
      path: join("00007", "metadata.jsonl"),
      text: '{"prompt":"a ring","note":"7"}\n',
    });
    expect(record(line, 0)?.text).toBe('{"prompt":"a ring"}\n');
    expect(layoutOf("compbench").record(row, 7)).toBeNull();
  });

  it("counts pictures of a prompt, or of all", () => {
    const entry = { prompt: "a ring", category: null, metadata: null };
    const index = { prompt: 12, picture: 3, count: 4 };
    expect(layoutOf("geneval").picture(entry, index)).toBe(join("00012", "samples", "00003.png"));
    expect(layoutOf("compbench").picture(entry, index)).toBe(join("samples", "a ring_000051.png"));
  });
});
