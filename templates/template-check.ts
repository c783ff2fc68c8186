import Handlebars from "handlebars";
import { TemplateFault } from "./helpers.js";

/** Replaces `{{> path}}` by the statements of that file, so that partials see the names in scope around them. */
export function splicePartials(
  program: hbs.AST.Program,
  parse: (path: string) => hbs.AST.Program,
): hbs.AST.Program {
  const body = program.body.flatMap((statement): hbs.AST.Statement[] => {
    if (isPartial(statement)) {
      const name =
        statement.name.type === "PathExpression" ? (statement.name as hbs.AST.PathExpression).original : "";
      return splicePartials(parse(name), parse).body;
    }
    if (isBlock(statement)) {
      const inverse = statement.inverse as hbs.AST.Program | undefined | null;
      return [
        {
          ...statement,
          program: splicePartials(statement.program, parse),
          ...(inverse ? { inverse: splicePartials(inverse, parse) } : {}),
        } as hbs.AST.BlockStatement,
      ];
    }
    return [statement];
  });
  return { ...program, body };
}

function isPartial(node: hbs.AST.Statement): node is hbs.AST.PartialStatement {
  return node.type === "PartialStatement";
}

function isBlock(node: hbs.AST.Statement): node is hbs.AST.BlockStatement {
  return node.type === "BlockStatement";
}

/**
 * Checks a parsed template against its header and returns the declared parameters. The first statement is a
 * comment with a line `@param name  what it is` for each. Every name in the body is a declared parameter or a block
 * parameter in scope; helpers are known ones; `this`, `../`, `@data` and decorators do not
 * occur. Partials have been spliced in.
 */
export function checkTemplate(ast: hbs.AST.Program, helpers: readonly string[]): readonly string[] {
  const header = ast.body[0];
  if (header === undefined || !isComment(header))
    throw new TemplateFault("the template has no header comment");
  const declared = [...header.value.matchAll(/^\s*@param\s+([A-Za-z]\w*)/gm)].map((match) => match[1] ?? "");
  const visitor = new NameVisitor(new Set(declared), new Set([...helpers, "include"]));
  visitor.accept(ast);
  for (const name of declared) {
    if (!visitor.used.has(name)) throw new TemplateFault(`the parameter ${name} is declared but not used`);
    if (helpers.includes(name)) throw new TemplateFault(`the parameter ${name} has the name of a helper`);
  }
  return declared;
}

function isComment(node: hbs.AST.Statement): node is hbs.AST.CommentStatement {
  return node.type === "CommentStatement";
}

type Call = hbs.AST.MustacheStatement | hbs.AST.BlockStatement | hbs.AST.SubExpression;

class NameVisitor extends Handlebars.Visitor {
  readonly used = new Set<string>();
  private readonly scope: string[] = [];

  constructor(
    private readonly declared: ReadonlySet<string>,
    private readonly helpers: ReadonlySet<string>,
  ) {
    super();
  }

  override MustacheStatement(node: hbs.AST.MustacheStatement): void {
    if (node.params.length > 0) this.call(node);
    else super.MustacheStatement(node);
  }

  override SubExpression(node: hbs.AST.SubExpression): void {
    this.call(node);
  }

  override BlockStatement(node: hbs.AST.BlockStatement): void {
    this.call(node);
    // Parsed programs of blocks without an else branch have no inverse, whatever the declaration says.
    for (const program of [node.program, node.inverse] as const) {
      if (program === undefined || program === null) continue;
      const names = program.blockParams ?? [];
      this.scope.push(...names);
      for (const statement of program.body) this.accept(statement);
      this.scope.length -= names.length;
    }
  }

  override PathExpression(node: hbs.AST.PathExpression): void {
    const [first] = node.parts;
    if (node.data || node.depth > 0 || typeof first !== "string" || node.original.startsWith("this")) {
      throw new TemplateFault(`line ${node.loc.start.line}: ${node.original} is not a parameter name`);
    }
    if (this.scope.includes(first)) return;
    if (!this.declared.has(first)) {
      throw new TemplateFault(`line ${node.loc.start.line}: the parameter ${first} is used but not declared`);
    }
    this.used.add(first);
  }

  override PartialBlockStatement(node: hbs.AST.PartialBlockStatement): void {
    throw new TemplateFault(`line ${node.loc.start.line}: partials are not allowed; use include`);
  }

  override DecoratorBlock(node: hbs.AST.DecoratorBlock): void {
    throw new TemplateFault(`line ${node.loc.start.line}: decorators are not allowed`);
  }

  override Decorator(node: hbs.AST.Decorator): void {
    throw new TemplateFault(`line ${node.loc.start.line}: decorators are not allowed`);
  }

  private call(node: Call): void {
    const { path } = node;
    const name = path.type === "PathExpression" ? (path as hbs.AST.PathExpression).original : "";
    if (!this.helpers.has(name)) {
      throw new TemplateFault(`line ${node.loc.start.line}: there is no helper ${name}`);
    }
    for (const parameter of node.params) this.accept(parameter);
    const pairs = node.hash?.pairs ?? [];
    if (pairs.length > 0)
      throw new TemplateFault(`line ${node.loc.start.line}: named arguments are not used`);
  }
}
