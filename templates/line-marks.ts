import Handlebars from "handlebars";

/**
 * Where each line of a rendered template comes from. Before rendering, every piece of plain text gets a mark with
 * its place at its start and after each of its line breaks; after rendering, the marks become `#line` directives.
 */
const START = "\uE000";
const END = "\uE001";
const MARK = new RegExp(`${START}([^${END}]*):(\\d+)${END}`, "g");

/** Marks the text of a parsed template in place. `loc.source` of its statements is the template's path. */
export function markLines(ast: hbs.AST.Program): void {
  new TextMarker().accept(ast);
}

/** Plain text that a template puts in, marked line by line. */
export function markText(path: string, text: string, firstLine = 1): string {
  return text
    .split("\n")
    .map((line, i) => `${START}${path}:${firstLine + i}${END}${line}`)
    .join("\n");
}

/** A rendered template with its marks replaced by `#line <n> "templates/<path>"` where the place is not the next line. */
export function lineDirectives(marked: string): string {
  const out: string[] = [];
  let last: Place | undefined;
  let expected: Place | undefined;
  for (const line of marked.split("\n")) {
    const leading = placesIn(/^(?:\uE000[^\uE001]*\uE001|\s)*/.exec(line)?.[0] ?? "").at(-1);
    // A line that no template text begins is part of a value; it belongs where the value was put in.
    const place = leading ?? last;
    const continues = out.at(-1)?.endsWith("\\") === true;
    if (place !== undefined && !same(place, expected) && !continues) {
      out.push(`#line ${place.line} "templates/${place.path}"`);
    }
    last = placesIn(line).at(-1) ?? last;
    expected = place === undefined ? undefined : { path: place.path, line: place.line + 1 };
    out.push(line.replaceAll(MARK, ""));
  }
  return out.join("\n");
}

interface Place {
  readonly path: string;
  readonly line: number;
}

function same(a: Place, b: Place | undefined): boolean {
  return b !== undefined && a.path === b.path && a.line === b.line;
}

function placesIn(text: string): readonly Place[] {
  return [...text.matchAll(MARK)].map(([, path = "", line]) => ({ path, line: Number(line) }));
}

class TextMarker extends Handlebars.Visitor {
  override Program(node: hbs.AST.Program): void {
    super.Program(node);
    // The lines of a value belong where it is put in.
    node.body = node.body.flatMap((statement) =>
      statement.type === "MustacheStatement" ? [markOf(statement), statement] : [statement],
    );
  }

  override ContentStatement(node: hbs.AST.ContentStatement): void {
    if (node.value === "") return;
    // Handlebars strips white space around blocks, and keeps what stood there.
    const stripped = leadingBreaks(String(node.original)) - leadingBreaks(node.value);
    node.value = markText(node.loc.source ?? "", node.value, node.loc.start.line + Math.max(0, stripped));
  }
}

/** Nothing but the mark of a statement's place. */
function markOf({ loc }: hbs.AST.Statement): hbs.AST.ContentStatement {
  const value = markText(loc.source ?? "", "", loc.start.line);
  return { type: "ContentStatement", loc, value, original: { open: false, close: false } };
}

/** Line breaks in the white space that a text starts with. */
function leadingBreaks(text: string): number {
  return (/^\s*/.exec(text)?.[0].split("\n").length ?? 1) - 1;
}
