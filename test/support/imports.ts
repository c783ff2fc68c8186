import { posix } from "node:path";
import { Node, Project, type SourceFile, SyntaxKind } from "ts-morph";

/** Every module specifier in a file: static, type-only, re-exported, dynamic and `import("x").T` types. */
export function specifiersOf(file: SourceFile): readonly string[] {
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

/** Specifiers by file, both relative to the project's root. */
export type Imports = ReadonlyMap<string, readonly string[]>;

export function importsOf(files: readonly SourceFile[], root: string): Imports {
  return new Map(files.map((file) => [posix.relative(root, file.getFilePath()), specifiersOf(file)]));
}

/** The imports of files that exist only here. */
export function importsIn(sources: Readonly<Record<string, string>>): Imports {
  const project = new Project({ useInMemoryFileSystem: true, skipFileDependencyResolution: true });
  for (const [path, text] of Object.entries(sources)) project.createSourceFile(`/${path}`, text);
  return importsOf(project.getSourceFiles(), "/");
}

/** The module of the project that a specifier in a file means; undefined for packages. */
export function targetOf(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
}

/** Files that import each other, in groups (the strongly connected components of more than one file). */
export function circlesOf(imports: Imports): readonly (readonly string[])[] {
  const circles: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  // Tarjan's algorithm.
  const visit = (path: string): number => {
    const own = index.size;
    index.set(path, own);
    low.set(path, own);
    open.push(path);
    for (const specifier of imports.get(path) ?? []) {
      const target = targetOf(path, specifier);
      if (target === undefined || !imports.has(target)) continue;
      const reached = index.has(target)
        ? open.includes(target)
          ? (index.get(target) ?? own)
          : own
        : visit(target);
      low.set(path, Math.min(low.get(path) ?? own, reached));
    }
    const lowest = low.get(path) ?? own;
    if (lowest === own) {
      const circle = open.splice(open.indexOf(path));
      if (circle.length > 1) circles.push(circle.sort());
    }
    return lowest;
  };
  for (const path of imports.keys()) if (!index.has(path)) visit(path);
  return circles;
}
