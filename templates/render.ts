import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Handlebars from "handlebars";
import { TritcError } from "../ir/errors.js";
import type { TemplateValues } from "./family.js";
import { HELPERS, TemplateFault } from "./helpers.js";
import { checkTemplate, splicePartials } from "./template-check.js";

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
 */
export function renderTemplate(templatePath: string, values: TemplateValues): string {
  try {
    const { render, declared } = compiled(templatePath);
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

function compiled(templatePath: string): CompiledTemplate {
  const known = cache.get(templatePath);
  if (known !== undefined) return known;
  const ast = splicePartials(Handlebars.parse(readTemplateFile(templatePath)), readTemplateFile);
  const declared = checkTemplate(ast, Object.keys(HELPERS));
  const environment = Handlebars.create();
  for (const name of Object.keys(environment.helpers)) environment.unregisterHelper(name);
  environment.registerHelper({ ...HELPERS, include: readTemplateFile });
  const render = environment.compile(ast, {
    strict: true,
    noEscape: true,
    preventIndent: true,
    knownHelpersOnly: true,
    knownHelpers: Object.fromEntries([...Object.keys(HELPERS), "include"].map((name) => [name, true])),
  });
  const template = { declared, render: (values: TemplateValues) => render(values) };
  cache.set(templatePath, template);
  return template;
}

function checkValue(name: string, value: TemplateValues[string] | undefined): void {
  if (value === undefined || value === null) throw new TemplateFault(`the parameter ${name} has no value`);
  if (typeof value === "number" && Number.isNaN(value))
    throw new TemplateFault(`the parameter ${name} is NaN`);
}

/** The text of a file below `templates/`. */
function readTemplateFile(path: string): string {
  return readFileSync(join(templatesRoot(), path), "utf8").replaceAll("\r\n", "\n");
}

let root: string | undefined;

/** `templates/` of the package, from the TypeScript sources and from `dist/` alike. */
function templatesRoot(): string {
  if (root !== undefined) return root;
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new TemplateFault("no package.json above this module");
    folder = parent;
  }
  root = join(folder, "templates");
  return root;
}
