import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { Node, Project, type SourceFile, SyntaxKind } from "ts-morph";
import { describe, expect, it } from "vitest";

/** A folder under one import rule. The most specific folder that holds a file decides. */
interface Area {
  readonly folder: string;
  /** Areas whose modules may be imported. */
  readonly mayImport: readonly string[];
  readonly packages: boolean;
  readonly builtins: boolean;
}

const AREAS: readonly Area[] = [
  { folder: "ir", mayImport: ["ir"], packages: false, builtins: false },
  // What is known of a device is plain data and arithmetic: browsers read it too.
  { folder: "targets", mayImport: ["ir", "targets"], packages: false, builtins: false },
  { folder: "templates", mayImport: ["ir", "targets", "templates"], packages: true, builtins: true },
  {
    folder: "compiler",
    mayImport: ["ir", "targets", "templates", "compiler"],
    packages: true,
    builtins: true,
  },
  // The command line runs bundles, so it alone sees both halves; nothing in the compiler depends on it.
  {
    folder: "compiler/cli",
    mayImport: ["ir", "targets", "templates", "compiler", "compiler/cli", "runtime", "runtime/node"],
    packages: true,
    builtins: true,
  },
  // The portable runtime also runs in browsers: what needs Node is under runtime/node and builds on it.
  // No packages either: browsers load the modules as they are, by relative specifiers.
  { folder: "runtime", mayImport: ["ir", "targets", "runtime"], packages: false, builtins: false },
  {
    folder: "runtime/browser",
    mayImport: ["ir", "targets", "runtime", "runtime/browser"],
    packages: false,
    builtins: false,
  },
  {
    folder: "runtime/node",
    mayImport: ["ir", "targets", "runtime", "runtime/node"],
    packages: true,
    builtins: true,
  },
];

function areaOf(path: string): Area | undefined {
  return AREAS.filter((area) => path.startsWith(`${area.folder}/`)).sort(
    (a, b) => b.folder.length - a.folder.length,
  )[0];
}

/** Every module specifier in a file: static, type-only, re-exported, dynamic and `import("x").T` types. */
function specifiersOf(file: SourceFile): readonly string[] {
  const found: string[] = [];
  for (const declaration of [...file.getImportDeclarations(), ...file.getExportDeclarations()]) {
    const specifier = declaration.getModuleSpecifierValue();
    if (specifier !== undefined) found.push(specifier);
  }
  for (const call of file.getDescendantsOfKind(SyntaxKind.CallExpression)) {
    const callee = call.getExpression();
    if (callee.getKind() !== SyntaxKind.ImportKeyword && callee.getText() !== "require") continue;
    const [argument] = call.getArguments();
    // A computed specifier names a user's file (a bundle), not a module of this project.
    if (Node.isStringLiteral(argument) || Node.isNoSubstitutionTemplateLiteral(argument)) {
      found.push(argument.getLiteralValue());
    }
  }
  for (const type of file.getDescendantsOfKind(SyntaxKind.ImportType)) {
    const literal = type.getArgument().getFirstDescendantByKind(SyntaxKind.StringLiteral);
    if (literal !== undefined) found.push(literal.getLiteralValue());
  }
  return found;
}

/** Why an import breaks the table, or undefined where it is allowed. `path` is relative to the root. */
function violation(area: Area, path: string, specifier: string): string | undefined {
  if (isBuiltin(specifier)) {
    return area.builtins ? undefined : `${area.folder} must not import Node builtins`;
  }
  if (!specifier.startsWith(".")) {
    return area.packages ? undefined : `${area.folder} must not import packages`;
  }
  const target = posix.join(posix.dirname(path), specifier);
  const targetFolder = areaOf(target)?.folder;
  if (targetFolder !== undefined && area.mayImport.includes(targetFolder)) return undefined;
  return `${area.folder} may import ${area.mayImport.join(", ")} only, not ${targetFolder ?? target}`;
}

/** One line per import that breaks the table: `file: "specifier" (reason)`. */
function violations(files: readonly SourceFile[], root: string): readonly string[] {
  return files.flatMap((file) => {
    const path = posix.relative(root, file.getFilePath());
    const area = areaOf(path);
    if (area === undefined) return [];
    return specifiersOf(file).flatMap((specifier) => {
      const reason = violation(area, path, specifier);
      return reason === undefined ? [] : [`${path}: "${specifier}" (${reason})`];
    });
  });
}

function check(sources: Readonly<Record<string, string>>): readonly string[] {
  const project = new Project({ useInMemoryFileSystem: true, skipFileDependencyResolution: true });
  for (const [path, text] of Object.entries(sources)) project.createSourceFile(`/${path}`, text);
  return violations(project.getSourceFiles(), "/");
}

describe("one-way imports", () => {
  it("hold in the whole project", () => {
    const root = posix.dirname(posix.dirname(fileURLToPath(import.meta.url).replaceAll("\\", "/")));
    const project = new Project({ skipAddingFilesFromTsConfig: true, skipFileDependencyResolution: true });
    const folders = AREAS.filter((area) => !area.folder.includes("/")).map((area) => area.folder);
    const files = project.addSourceFilesAtPaths(folders.map((folder) => `${root}/${folder}/**/*.ts`));
    expect(files.length).toBeGreaterThan(0);
    expect(violations(files, root)).toEqual([]);
  });

  it("report every kind of import with file and specifier", () => {
    const found = check({
      "ir/a.ts": `import type { B } from "../compiler/b.js"; export * from "./c.js"; import "handlebars";`,
      "ir/d.ts": `import { readFileSync } from "fs"; const x: import("../runtime/x.js").X = readFileSync;`,
      "ir/e.ts": `import type { Target } from "../targets/target.js";`,
      "runtime/e.ts": `export { f } from "./node/f.js"; const g = await import("node:os");`,
      "runtime/h.ts": `const p = import("../compiler/cli/main.js");`,
      "compiler/i.ts": `import { j } from "./cli/j.js"; import { k } from "../runtime/k.js";`,
      "targets/l.ts": `import "node:fs"; import "handlebars"; export * from "../templates/m.js";`,
      "templates/n.ts": `import { o } from "../test/o.js";`,
    });
    expect(found.map((line) => line.replace(/ \(.*/, ""))).toEqual([
      'ir/a.ts: "../compiler/b.js"',
      'ir/a.ts: "handlebars"',
      'ir/d.ts: "fs"',
      'ir/d.ts: "../runtime/x.js"',
      'ir/e.ts: "../targets/target.js"',
      'runtime/e.ts: "./node/f.js"',
      'runtime/e.ts: "node:os"',
      'runtime/h.ts: "../compiler/cli/main.js"',
      'compiler/i.ts: "./cli/j.js"',
      'compiler/i.ts: "../runtime/k.js"',
      'targets/l.ts: "node:fs"',
      'targets/l.ts: "handlebars"',
      'targets/l.ts: "../templates/m.js"',
      'templates/n.ts: "../test/o.js"',
    ]);
  });

  it("allow what the table allows", () => {
    const found = check({
      "ir/a.ts": `import { b } from "./sub/b.js";`,
      "targets/c.ts": `import { d } from "../ir/d.js";`,
      "templates/e.ts": `import h from "handlebars"; import { t } from "../targets/t.js"; import "node:fs";`,
      "compiler/cli/f.ts": `import { r } from "../../runtime/node/index.js"; import { p } from "../p.js";`,
      "runtime/node/g.ts": `import "node:fs"; import { s } from "../s.js"; await import("webgpu");`,
      "runtime/browser/t.ts": `import { t } from "../../targets/t.js";`,
      "benchmarks/h.ts": `import { c } from "../compiler/index.js";`,
    });
    expect(found).toEqual([]);
  });
});
