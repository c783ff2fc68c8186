import { describe, expect, it } from "vitest";
import { parsePromptSet } from "../../compiler/prompt-sets/prompt-set.js";

const read = (...lines: readonly string[]) => parsePromptSet(lines.join("\n"), "prompts");
const prompts = (...lines: readonly string[]) => read(...lines).entries.map(({ prompt }) => prompt);

describe("plain text", () => {
  it("has a prompt a line, without the spaces and tabs around it", () => {
    expect(read("a red ring", "", "  The cup is blue.\t", "\t")).toEqual({
      kind: "lines",
      entries: [
        { prompt: "a red ring", category: null, metadata: null },
        { prompt: "The cup is blue.", category: null, metadata: null },
      ],
    });
    expect(read(" ", "")).toEqual({ kind: "lines", entries: [] });
  });

  it("may have the marks and line ends of any system", () => {
    expect(parsePromptSet("\uFEFFone\r\ntwo\rthree\n", "p").entries.map(({ prompt }) => prompt)).toEqual([
      "one",
      "two",
      "three",
    ]);
  });

  it("is also what only looks a little like another kind", () => {
    expect(read("{red|blue} ring", '"quoted"', "[oil] a ring").kind).toBe("lines");
    expect(prompts("prompt", "a ring")).toEqual(["prompt", "a ring"]);
    expect(prompts("a ring\ta cross")).toEqual(["a ring\ta cross"]);
    expect(prompts("[oil] a ring", '{"prompt": "not an object here"}')).toHaveLength(2);
  });
});

describe("a JSON object a line", () => {
  const bench = { tag: "single_object", include: [{ class: "bench", count: 1 }], prompt: "a bench" };

  it("is kept whole, its tag or category being what it is counted under", () => {
    const other = { prompt: " two cups ", category: "counting", note: null };
    expect(read("", JSON.stringify(bench), "", `${JSON.stringify(other)}\r`, '{"prompt": "a"}')).toEqual({
      kind: "json",
      entries: [
        { prompt: "a bench", category: "single_object", metadata: bench },
        { prompt: "two cups", category: "counting", metadata: other },
        { prompt: "a", category: null, metadata: { prompt: "a" } },
      ],
    });
  });

  it.each([
    ["no JSON", '{"prompt": "a",}', "a JSON object in one line"],
    ["text", "a red ring", "a JSON object in one line"],
    ["a list", '["a"]', "a JSON object in one line"],
    ["a name that comes twice", '{"prompt": "a", "prompt": "b"}', "a JSON object in one line"],
    ["depths without end", `{"prompt": "a", "b": ${"[".repeat(100)}${"]".repeat(100)}}`, "a JSON object"],
    ["no prompt", '{"tag": "a"}', "a text `prompt`"],
    ["an empty prompt", '{"prompt": " "}', "a text `prompt`"],
    ["a prompt that is no text", '{"prompt": ["a"]}', "a text `prompt`"],
    ["half a character", '{"prompt": "\\ud83d"}', "Unicode text"],
  ])("is refused with file and line where it is %s", (_, line, expected) => {
    const lines = Array.from({ length: 16 }, () => JSON.stringify(bench));
    expect(() => read(...lines, line)).toThrow(
      expect.objectContaining({
        code: "TRITC_E_PROMPTS",
        message: expect.stringMatching(/^prompts, line 17: [\s\S]*expected: /),
        details: expect.objectContaining({ expected: expect.stringContaining(expected) }),
      }),
    );
  });

  it.each([["["], ['[{"prompt": "a"}]'], ["{"], ['["a", "b"]']])(
    "is not a document of several lines or prompts: %s",
    (line) => {
      expect(() => read(line, '"a"')).toThrow(/line 1: [\s\S]*a JSON object in one line/);
    },
  );
});

describe("a table with tabs", () => {
  it("has a prompt and a category, and quotation marks as they are", () => {
    const head = "Prompt\tCategory\tChallenge\tNote\r";
    const prompt = '"G I G" on a wall';
    const metadata = { prompt, category: "Illustrations", challenge: "Writing & Symbols", note: "" };
    expect(read(head, `${prompt}\tIllustrations\tWriting & Symbols\t\r`, "bond\tAbstract")).toEqual({
      kind: "table",
      entries: [
        { prompt, category: "Illustrations", metadata },
        {
          prompt: "bond",
          category: "Abstract",
          metadata: { prompt: "bond", category: "Abstract", challenge: "", note: "" },
        },
      ],
    });
  });

  it("has its columns in any order, and is refused where a row has no prompt or more cells", () => {
    expect(prompts("id\tPROMPT", "7\ta ring")).toEqual(["a ring"]);
    expect(() => read("id\tprompt", "7\ta", "8")).toThrow(/prompts, line 3: [\s\S]*a text `prompt`/);
    expect(() => read("id\tprompt", "7\ta\tb")).toThrow(
      /line 2: [\s\S]*at most 2 columns: id, prompt[\s\S]*3/,
    );
  });
});
