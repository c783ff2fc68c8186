import { cp, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { extract } from "tar";
import { builtCli } from "../support/built-cli.js";
import { oncePerRun } from "../support/once-per-run.js";

const ROOT = join(import.meta.dirname, "../..");

export interface InstallOptions {
  /** Packages that users install beside tritc. */
  readonly beside?: readonly string[];
}

/** What `npm install <packed tarball>` leaves in a folder, without asking a registry. */
export async function installPackage(folder: string, { beside = [] }: InstallOptions = {}): Promise<void> {
  const packed = await oncePerRun("packed", async (destination) => {
    await builtCli();
    await execa("npm", ["pack", "--ignore-scripts", "--pack-destination", destination], { cwd: ROOT });
  });
  await cp(packed, folder, { recursive: true });
  const [archive = "none"] = await readdir(packed);
  const home = join(folder, "node_modules", "tritc");
  await mkdir(home, { recursive: true });
  await extract({ file: join(folder, archive), cwd: home, strip: 1 });
  const { dependencies } = JSON.parse(await readFile(join(home, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  for (const name of [...Object.keys(dependencies), ...beside]) {
    const path = join(folder, "node_modules", name);
    await mkdir(dirname(path), { recursive: true });
    await symlink(join(ROOT, "node_modules", name), path);
  }
  await mkdir(join(folder, "node_modules", ".bin"));
  await symlink("../tritc/dist/compiler/cli/main.js", join(folder, "node_modules", ".bin", "tritc"));
  await cp(join(import.meta.dirname, "app-package.json"), join(folder, "package.json"));
}
