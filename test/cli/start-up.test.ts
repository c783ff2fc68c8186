/** What a process loads before it answers: help and refusals take no package but the one that reads the arguments. */
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, expect, it } from "vitest";
import { builtCli } from "../support/built-cli.js";

let main = "";
beforeAll(async () => {
  main = await builtCli();
}, 240_000);

/** Writes the address of each module that a process loads to file descriptor 3. */
const HOOK = `import { writeSync } from "node:fs";
export async function load(url, context, next) {
  writeSync(3, url + "\\n");
  return next(url, context);
}`;
const PRELOAD = `import { createRequire, register } from "node:module";
import { writeSync } from "node:fs";
register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(HOOK))});
process.on("exit", () => {
  for (const path of Object.keys(createRequire("file:///").cache)) writeSync(3, path + "\\n");
});`;

interface Loaded {
  readonly exitCode: number | undefined;
  /** npm packages. */
  readonly packages: readonly string[];
  /** Folders of this project. */
  readonly folders: readonly string[];
}

async function loadedBy(argv: readonly string[]): Promise<Loaded> {
  const preload = `data:text/javascript,${encodeURIComponent(PRELOAD)}`;
  const { exitCode, stdio } = await execa("node", ["--import", preload, main, ...argv], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    reject: false,
  });
  const modules = String(stdio[3])
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("node:") && !line.startsWith("data:"));
  const of = (pattern: RegExp) => [...new Set(modules.flatMap((m) => pattern.exec(m)?.[1] ?? []))].sort();
  return {
    exitCode,
    packages: of(/\/node_modules\/((?:@[^/]+\/)?[^/]+)/),
    folders: of(/\/dist\/(?!.*\/node_modules\/)(.*)\/[^/]+$/),
  };
}

const COMMANDS = [
  ...["inspect", "compile", "eval", "run", "sample", "compare", "verify"],
  ...[
    "report",
    "targets",
    "doctor",
    "pack-runner",
    "export-onnx",
    "sample-model",
    "calibrate",
    "distill",
    "tune",
    "bench",
  ],
];

it.each([
  [["--help"], 0],
  [["--version"], 0],
  ...COMMANDS.map((command) => [[command, "--help"], 0] as const),
  [["compil"], 2],
  [["run", "bundle"], 2],
] as const)("%j loads nothing heavy", async (argv, exit) => {
  const { exitCode, packages, folders } = await loadedBy(argv);
  expect(exitCode).toBe(exit);
  expect(packages).toEqual(["commander"]);
  expect(folders).toContain("compiler/cli/commands");
  expect(folders).not.toContain("compiler/cli/actions");
  expect(folders.filter((folder) => /^(runtime|templates|targets)\//.test(folder))).toEqual([]);
});

it("targets and a missing model are answered without the packages that compute", async () => {
  for (const [argv, exit] of [
    [["targets"], 0],
    [["inspect", join(import.meta.dirname, "none.onnx")], 1],
  ] as const) {
    const { exitCode, packages } = await loadedBy(argv);
    expect(exitCode).toBe(exit);
    for (const heavy of ["onnxruntime-node", "webgpu", "wabt", "ts-morph", "execa", "cli-progress"]) {
      expect(packages).not.toContain(heavy);
    }
  }
});
