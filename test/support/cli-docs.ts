import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The section of a command in docs/cli.md. */
export function cliSection(command: string): string {
  const page = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8");
  const section = page
    .split(/^## /m)
    .find((text) => new RegExp(`^\`?(tritc )?${command}[ \`\\n]`).test(text));
  if (section === undefined) throw new Error(`docs/cli.md says nothing of ${command}`);
  return section;
}

/** The keys that a section says the command's JSON has. */
export function documentedKeys(command: string): ReadonlySet<string> {
  const [, paragraph = ""] = /^JSON: (.*?)(?:\n\n|$(?![\s\S]))/ms.exec(cliSection(command)) ?? [];
  return new Set(Array.from(paragraph.matchAll(/`([A-Za-z0-9]+)`/g), ([, key = ""]) => key));
}
