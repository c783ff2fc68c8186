/** What `<!-- not run: reason -->` before a block says. */
const NOT_RUN = /<!-- not run: .+ -->\s*$/;

/** Programs of command blocks; a block that begins with none of them is output, or something else. */
const COMMAND = /^(npx|printf|npm|node|tritc|cp|tar|curl|cd) /;

export interface Block {
  readonly kind: "sh" | "js";
  readonly text: string;
  /** Whether it runs as it stands, without a GPU, other people's models or a checkout. */
  readonly runs: boolean;
}

/** The blocks of commands, indented or fenced as `sh`, and the modules, fenced as `js` or `ts`, of a page. */
export function blocksOf(markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  const found = /^```(\w*)\n([\s\S]*?)^```$|(?<=\n\n)( {4}.*\n(?: {4}.*\n|\n+(?= {4}))*)/gm;
  for (const match of markdown.matchAll(found)) {
    const [, language = "", fenced, indented] = match;
    const text = fenced ?? (indented ?? "").replaceAll(/^ {4}/gm, "");
    const runs = !NOT_RUN.test(markdown.slice(0, match.index));
    const isCommands = language === "sh" || (language === "" && COMMAND.test(text));
    if (isCommands) blocks.push({ kind: "sh", text, runs });
    else if (language === "js" || language === "ts") blocks.push({ kind: "js", text, runs });
  }
  return blocks;
}
