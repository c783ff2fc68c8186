import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { Project } from "ts-morph";
import { describe, expect, it } from "vitest";
import { circlesOf, type Imports, importsIn, importsOf, targetOf } from "./support/imports.js";

/** A folder under one import rule. The most specific folder that holds a file decides. */
interface Area {
  readonly folder: string;
  /** Areas whose modules may be imported. */
  readonly mayImport: readonly string[];
  readonly packages: boolean;
  readonly builtins: boolean;
}

/** Folders of the compiler that compute with models. */
const COMPUTING = ["compiler/calibrate", "compiler/compare", "compiler/train", "compiler/tune"] as const;

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
  // What draws with a model or trains it computes: these see both halves, and of the compiler the command line alone sees them.
  ...COMPUTING.map((folder) => ({
    folder,
    mayImport: ["ir", "targets", "templates", "compiler", ...COMPUTING, "runtime", "runtime/node"],
    packages: true,
    builtins: true,
  })),
  // The command line runs bundles; nothing in the compiler depends on it.
  {
    folder: "compiler/cli",
    mayImport: [
      ...["ir", "targets", "templates", "compiler", "compiler/cli"],
      ...COMPUTING,
      ...["runtime", "runtime/node"],
    ],
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
function violations(imports: Imports): readonly string[] {
  return [...imports].flatMap(([path, specifiers]) => {
    const area = areaOf(path);
    if (area === undefined) return [];
    return specifiers.flatMap((specifier) => {
      const reason = violation(area, path, specifier);
      return reason === undefined ? [] : [`${path}: "${specifier}" (${reason})`];
    });
  });
}

/** A folder that others know by its door alone: what imports from it, besides itself. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "compiler/models/chroma": ["compiler/models/index.ts"],
  "compiler/models/flux1": ["compiler/models/index.ts"],
  "compiler/models/flux2": ["compiler/models/index.ts"],
  "ir/models/chroma": ["ir/models/index.ts"],
  "ir/models/flux1": ["ir/models/index.ts", "runtime/index.ts"],
  "ir/models/flux2": ["ir/models/index.ts"],
};

/** A room that another one is built into: Chroma has FLUX.1's blocks. */
const BUILT_INTO: Readonly<Record<string, string>> = {
  "compiler/models/flux1": "compiler/models/chroma",
  "ir/models/flux1": "ir/models/chroma",
};

/** One line per import that goes around a room's door. */
function intrusions(imports: Imports): readonly string[] {
  return [...imports].flatMap(([path, specifiers]) =>
    Object.entries(ROOMS).flatMap(([room, doors]) => {
      const inside = [room, BUILT_INTO[room]].some((own) => path.startsWith(`${own}/`));
      if (inside || doors.includes(path)) return [];
      const into = specifiers.filter((specifier) => targetOf(path, specifier)?.startsWith(`${room}/`));
      return into.map((specifier) => `${path}: "${specifier}"`);
    }),
  );
}

const root = posix.dirname(posix.dirname(fileURLToPath(import.meta.url).replaceAll("\\", "/")));

/** The imports of the whole project, but for its tests and benchmarks. */
function projectImports(): Imports {
  const project = new Project({ skipAddingFilesFromTsConfig: true, skipFileDependencyResolution: true });
  const folders = AREAS.filter((area) => !area.folder.includes("/")).map((area) => area.folder);
  return importsOf(project.addSourceFilesAtPaths(folders.map((folder) => `${root}/${folder}/**/*.ts`)), root);
}
const imports = projectImports();

describe("one-way imports", () => {
  it("hold in the whole project", () => {
    expect(imports.size).toBeGreaterThan(0);
    expect(violations(imports)).toEqual([]);
  });

  it("report every kind of import with file and specifier", () => {
    const found = violations(
      importsIn({
        "ir/a.ts": `import type { B } from "../compiler/b.js"; export * from "./c.js"; import "handlebars";`,
        "ir/d.ts": `import { readFileSync } from "fs"; const x: import("../runtime/x.js").X = readFileSync;`,
        "ir/e.ts": `import type { Target } from "../targets/target.js";`,
        "runtime/e.ts": `export { f } from "./node/f.js"; const g = await import("node:os");`,
        "runtime/h.ts": `const p = import("../compiler/cli/main.js");`,
        "compiler/i.ts": `import { j } from "./cli/j.js"; import { k } from "../runtime/k.js";`,
        "compiler/p.ts": `import { q } from "./train/q.js";`,
        "targets/l.ts": `import "node:fs"; import "handlebars"; export * from "../templates/m.js";`,
        "templates/n.ts": `import { o } from "../test/o.js";`,
      }),
    );
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
      'compiler/p.ts: "./train/q.js"',
      'targets/l.ts: "node:fs"',
      'targets/l.ts: "handlebars"',
      'targets/l.ts: "../templates/m.js"',
      'templates/n.ts: "../test/o.js"',
    ]);
  });

  it("allow what the table allows", () => {
    const found = violations(
      importsIn({
        "ir/a.ts": `import { b } from "./sub/b.js";`,
        "targets/c.ts": `import { d } from "../ir/d.js";`,
        "templates/e.ts": `import h from "handlebars"; import { t } from "../targets/t.js"; import "node:fs";`,
        "compiler/cli/f.ts": `import { r } from "../../runtime/node/index.js"; import { p } from "../p.js";`,
        "compiler/train/r.ts": `import { c } from "../calibrate/c.js"; import "../../runtime/node/o.js";`,
        "runtime/node/g.ts": `import "node:fs"; import { s } from "../s.js"; await import("webgpu");`,
        "runtime/browser/t.ts": `import { t } from "../../targets/t.js";`,
        "benchmarks/h.ts": `import { c } from "../compiler/index.js";`,
      }),
    );
    expect(found).toEqual([]);
  });
});

/** A node is one of the operations, and an operation may have graphs of nodes: one type in two files, which no code is in. */
const RECURSIVE_TYPE = { file: "ir/graph/graph.ts", imports: "../ops/index.js" };

describe("circles of imports", () => {
  it("are nowhere in the project, but for one type that contains itself", () => {
    const { file } = RECURSIVE_TYPE;
    const others = (imports.get(file) ?? []).filter((specifier) => specifier !== RECURSIVE_TYPE.imports);
    expect(others.length).toBe((imports.get(file)?.length ?? 0) - 1);
    expect(circlesOf(new Map([...imports, [file, others]]))).toEqual([]);
  });

  it("are found through any number of files", () => {
    const found = circlesOf(
      importsIn({
        "a.ts": `import type { B } from "./b.js";`,
        "b.ts": `export * from "./c.js"; import "./d.js";`,
        "c.ts": `const a = import("./a.js");`,
        "d.ts": `import { e } from "./e.js";`,
        "e.ts": `import "node:fs";`,
      }),
    );
    expect(found).toEqual([["a.ts", "b.ts", "c.ts"]]);
  });
});

describe("rooms", () => {
  it("are entered by their doors", () => {
    expect(intrusions(imports)).toEqual([]);
    for (const [room, doors] of Object.entries(ROOMS)) {
      const enters = doors.filter((door) =>
        imports.get(door)?.some((specifier) => targetOf(door, specifier)?.startsWith(`${room}/`)),
      );
      expect(enters, room).toEqual(doors);
    }
  });

  it("report who goes around", () => {
    const found = intrusions(
      importsIn({
        "compiler/models/index.ts": `import { f } from "./flux1/index.js";`,
        "compiler/a.ts": `import type { W } from "./models/flux1/walk.js";`,
      }),
    );
    expect(found).toEqual([`compiler/a.ts: "./models/flux1/walk.js"`]);
  });
});
