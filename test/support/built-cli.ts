import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";

const root = join(import.meta.dirname, "../..");
const main = join(root, "dist/compiler/cli/main.js");
const SOURCES = ["ir", "targets", "templates", "compiler", "runtime"];

/** Path of the built command line; builds it first where sources are newer. */
export async function builtCli(): Promise<string> {
  if (!isFresh()) {
    await execa("npx", ["tsc", "-p", "tsconfig.build.json"], { cwd: root, reject: false });
    await execa("node", ["dist/benchmarks/build/finish-build.js"], { cwd: root });
    if (statSync(main, { throwIfNoEntry: false }) === undefined) throw new Error("the build failed");
  }
  return main;
}

function isFresh(): boolean {
  const built = statSync(main, { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined) return false;
  return SOURCES.every((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .every((file) => statSync(join(root, folder, file)).mtimeMs <= built),
  );
}
