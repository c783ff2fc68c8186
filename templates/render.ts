import Handlebars from "handlebars";
import { TritcError } from "../ir/errors.js";
import { readTemplateFile } from "./files.js";
import { HELPERS, TemplateFault } from "./helpers.js";
import { lineDirectives, markLines, markText } from "./line-marks.js";
import { checkTemplate, splicePartials } from "./template-check.js";
import type { TemplateValues } from "./template-values.js";

/**
 * Renders `templates/<templatePath>` with exactly the parameters that its header declares:
 *
 *   {{!-- What the kernel does.
 *     @param n  output channels
 *   --}}
 *
 * A parameter that is used but not declared, declared but not used, not given, given but not declared, or
 * undefined throws `TRITC_E_TEMPLATE`. `{{> path}}` puts another file in place, which uses the same parameters;
 * `{{include path}}` puts in plain text. Handlebars' own strict mode is not enough: it lets `{{#if}}` and `{{#each}}`
 * take the empty path. Blocks keep the context (`{{#for list as |item|}}`), so that a name means one thing.
 *
 * With `lines`, for error messages, `#line` directives say where each line comes from.
 */
export function renderTemplate(
  templatePath: string,
  values: TemplateValues,
  { lines = false }: { readonly lines?: boolean } = {},
): string {
  try {
    const { render, declared } = compiled(templatePath, lines);
    for (const name of declared) checkValue(name, values[name]);
    for (const name of Object.keys(values)) {
      if (!declared.includes(name)) throw new TemplateFault(`the value ${name} is not a declared parameter`);
    }
    return render(values);
  } catch (cause) {
    throw new TritcError({
      code: "TRITC_E_TEMPLATE",
      message: cause instanceof Error ? cause.message : String(cause),
      place: `templates/${templatePath}`,
      remedy: "this is a defect of the template or of the values it was given",
      cause,
    });
  }
}

interface CompiledTemplate {
  readonly declared: readonly string[];
  readonly render: (values: TemplateValues) => string;
}

const cache = new Map<string, CompiledTemplate>();

function compiled(templatePath: string, lines: boolean): CompiledTemplate {
  const key = `${templatePath}${lines ? " with lines" : ""}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const ast = splicePartials(parseTemplate(templatePath), parseTemplate);
  const declared = checkTemplate(ast, Object.keys(HELPERS));
  const environment = Handlebars.create();
  for (const name of Object.keys(environment.helpers)) environment.unregisterHelper(name);
  if (lines) markLines(ast);
  const include = (path: string) => (lines ? markText(path, readTemplateFile(path)) : readTemplateFile(path));
  environment.registerHelper({ ...HELPERS, include });
  const render = environment.compile(ast, {
    strict: true,
    noEscape: true,
    preventIndent: true,
    knownHelpersOnly: true,
    knownHelpers: Object.fromEntries([...Object.keys(HELPERS), "include"].map((name) => [name, true])),
  });
  const template = {
    declared,
    render: (values: TemplateValues) => (lines ? lineDirectives(render(values)) : render(values)),
  };
  cache.set(key, template);
  return template;
}

/** A template's statements, each with the template's path in `loc.source`. */
function parseTemplate(path: string): hbs.AST.Program {
  return Handlebars.parse(readTemplateFile(path), { srcName: path });
}

function checkValue(name: string, value: TemplateValues[string] | undefined): void {
  if (value === undefined || value === null) throw new TemplateFault(`the parameter ${name} has no value`);
  if (typeof value === "number" && Number.isNaN(value))
    throw new TemplateFault(`the parameter ${name} is NaN`);
}
