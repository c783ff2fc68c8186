import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyBundle, rehash } from "../../support/bundle-surgery.js";
import type { CliCase, Fixture } from "./case.js";

/** A pipe that nobody writes into: opened without care, it waits forever. */
function pipe(path: string): string {
  rmSync(path, { force: true });
  execFileSync("mkfifo", [path]);
  return path;
}

/** A file that never ends. */
function endless(path: string): string {
  rmSync(path, { force: true });
  symlinkSync("/dev/zero", path);
  return path;
}

const SPECIAL = { pipe, endless } as const;
type Kind = keyof typeof SPECIAL;

const COMMANDS: Readonly<Record<string, (bundle: string, folder: string, fixture: Fixture) => string[]>> = {
  verify: (b) => ["verify", b],
  report: (b, folder) => ["report", b, "-o", join(folder, "r.html")],
  run: (b, folder) => ["run", b, "--prompt", "p", "-o", join(folder, "p.png")],
  eval: (b, folder, { inputs }) => ["eval", b, "--inputs", inputs, "-o", join(folder, "o.safetensors")],
};

function bundleFile(kind: Kind, file: string, command: string, hidden = false): CliCase {
  return {
    name: `bundle whose ${file} is a ${kind} file, ${command}`,
    code: "TRITC_E_FILE_READ",
    message: /not a file/,
    setup(folder, fixture) {
      const bundle = copyBundle(fixture.generic, folder);
      SPECIAL[kind](join(bundle, file));
      if (hidden) rehash(bundle);
      return COMMANDS[command]?.(bundle, folder, fixture) ?? [];
    },
  };
}

function modelFile(
  kind: Kind,
  name: string,
  code: string,
  argv: (special: string, folder: string, fixture: Fixture) => readonly string[],
): CliCase {
  return {
    name: `${name} that is a ${kind} file`,
    code,
    message: /special/,
    setup(folder, fixture) {
      return argv(SPECIAL[kind](join(folder, "special.safetensors")), folder, fixture);
    },
  };
}

/** `(loop $l br $l)` as a kernel. */
const ENDLESS_KERNEL = Uint8Array.from(
  Buffer.from(
    "0061736d01000000010701600" +
      "37f7f7f0002120103656e76066d656d6f72790203018080040302010007070103" +
      "72756e00000a09010700" +
      "03400c000b0b",
    "hex",
  ),
);

export const SPECIAL_FILE_CASES: readonly CliCase[] = [
  ...(["pipe", "endless"] as const).flatMap((kind) =>
    Object.keys(COMMANDS).map((command) => bundleFile(kind, "manifest.json", command)),
  ),
  ...["program.json", "weights.safetensors", "graph.ir", "index.js"].map((file) =>
    bundleFile("pipe", file, "eval"),
  ),
  ...(["pipe", "endless"] as const).flatMap((kind) => [
    modelFile(kind, "a model", "TRITC_E_MODEL_NOT_FOUND", (file, folder) => [
      ...["compile", file, "--target", "cpu", "-o", join(folder, "out")],
    ]),
    modelFile(kind, "a LoRA", "TRITC_E_LORA", (file, folder, { flux }) => [
      ...["compile", flux, "--target", "cpu", "--lora", file, "-o", join(folder, "out")],
    ]),
    modelFile(kind, "inputs", "TRITC_E_FILE_READ", (file, folder, { generic }) => [
      ...["eval", generic, "--inputs", file, "-o", join(folder, "o.safetensors")],
    ]),
    modelFile(kind, "prompts", "TRITC_E_FILE_READ", (file, folder, { bundle }) => [
      ...["compare", bundle, bundle, "--prompts", file, "-o", join(folder, "g.png")],
    ]),
  ]),
  {
    name: "compile to a place where there can be no folder",
    code: "TRITC_E_SYSTEM",
    message: /\/proc\//,
    setup: (_, { model }) => ["compile", model, "--target", "cpu", "-o", "/proc/tritc/out"],
  },
  ...["eval", "report"].map(
    (command): CliCase => ({
      name: `${command} into a pipe`,
      exit: 2,
      code: "TRITC_E_OUT",
      message: /a pipe, a socket or a device/,
      setup(folder, fixture) {
        const argv = COMMANDS[command]?.(fixture.generic, folder, fixture) ?? [];
        return [...argv.slice(0, -1), pipe(join(folder, "out"))];
      },
    }),
  ),
  {
    name: "a kernel that never ends",
    code: "TRITC_E_KERNEL_STALLED",
    message: /launch ".*" \(.*\) of phase load: a kernel does not come to an end/,
    setup(folder, fixture) {
      const bundle = copyBundle(fixture.generic, folder);
      for (const file of readdirSync(join(bundle, "kernels"))) {
        if (file.endsWith(".wasm")) writeFileSync(join(bundle, "kernels", file), ENDLESS_KERNEL);
      }
      rehash(bundle);
      const argv = COMMANDS.eval?.(bundle, folder, fixture) ?? [];
      return [...argv, "--stall-seconds", "1", "--threads", "2"];
    },
  },
  ...(
    [
      ["two bundles of one name", "bundle", /two things in the runner would be called bundle/],
      ["a bundle that is called as the program", "tritc", /the program's own/],
      ["a bundle that is called as the program in another case", "NODE", /the program's own/],
      ["a bundle that Node.js would take packages from", "node_modules", /the program's own/],
    ] as const
  ).map(
    ([name, called, message]): CliCase => ({
      name: `pack-runner with ${name}`,
      exit: 2,
      code: "TRITC_E_RUNNER",
      message,
      setup(folder, fixture) {
        const folders = ["a", "b"].map((side) => join(folder, side, called));
        for (const to of folders) {
          mkdirSync(join(to, ".."));
          cpSync(fixture.generic, to, { recursive: true });
        }
        return [
          "pack-runner",
          ...(called === "bundle" ? folders : folders.slice(1)),
          "-o",
          join(folder, "x.tgz"),
        ];
      },
    }),
  ),
];
