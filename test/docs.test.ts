import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { makeProgram } from "../compiler/cli/cli.js";
import { OPSETS_READ } from "../compiler/onnx/opsets.js";
import { cliSection, documentedKeys } from "./support/cli-docs.js";

const root = join(import.meta.dirname, "..");
const SOURCES = ["ir", "targets", "templates", "compiler", "runtime"];

function codesIn(text: string): Set<string> {
  return new Set([...text.matchAll(/\bTRITC_E_[A-Z0-9_]*[A-Z0-9]\b/g)].map((m) => m[0]));
}

function sourceCodes(): Set<string> {
  const codes = new Set<string>();
  for (const folder of SOURCES) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts")) continue;
      for (const code of codesIn(readFileSync(join(root, folder, file), "utf8"))) codes.add(code);
    }
  }
  return codes;
}

describe("the range of opsets", () => {
  it("is the importer's wherever it is said", () => {
    const pages = [
      "README.md",
      ...readdirSync(join(root, "docs"), { encoding: "utf8" }).map((f) => `docs/${f}`),
    ];
    const texts = pages
      .filter((page) => page.endsWith(".md"))
      .map((page) => readFileSync(join(root, page), "utf8"));
    const said = texts.flatMap((text) => text.match(/opset \d+ to \d+/g) ?? []);
    expect(said.length).toBeGreaterThan(1);
    expect(new Set(said)).toEqual(new Set([OPSETS_READ]));
  });
});

describe("docs/cli.md", () => {
  const sink = { write: () => undefined };
  const stdin = (async function* () {})();
  const { commands } = makeProgram({
    stdin,
    stdout: sink,
    stderr: sink,
    interruptSignal: () => new AbortController().signal,
  });
  const flagsOf = (command: Command) => command.options.map(({ flags }) => flags);
  const common = flagsOf(commands.find((command) => command.name() === "targets") ?? new Command());

  it.each(commands.map((command) => [command.name(), command] as const))(
    "says what %s takes, and nothing else",
    (name, command) => {
      const said = Array.from(cliSection(name).matchAll(/^\| `(-.+?)` \|/gm), ([, flags = ""]) => flags);
      const own = flagsOf(command).filter((flags) => !common.includes(flags));
      expect(said.map((flags) => flags.replaceAll("\\|", "|")).sort()).toEqual(own.sort());
      expect(documentedKeys(name).size).toBeGreaterThan(0);
    },
  );

  it("says what all of them take", () => {
    const said = Array.from(
      cliSection("Every command").matchAll(/^\| `(-.+?)` \|/gm),
      ([, flags = ""]) => flags,
    );
    expect(said.sort()).toEqual([...common, "-h, --help"].sort());
  });
});

describe("docs/errors.md", () => {
  it("lists every error code of the sources, and no other", () => {
    const documented = codesIn(readFileSync(join(root, "docs/errors.md"), "utf8"));
    expect([...documented].sort()).toEqual([...sourceCodes()].sort());
  });
});
