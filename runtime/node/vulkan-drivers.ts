import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** Environment variables that name the only drivers to use; the first wins where both are set. */
export const DRIVER_VARIABLES = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] as const;

/** Where a Vulkan loader on Linux looks for driver manifests ("Loader and Driver Interface", Khronos). */
export function driverFolders(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const list = (value: string | undefined, otherwise: string): readonly string[] =>
    (value || otherwise).split(delimiter).filter((folder) => folder !== "");
  return [
    env.XDG_CONFIG_HOME || join(homedir(), ".config"),
    ...list(env.XDG_CONFIG_DIRS, "/etc/xdg"),
    "/etc",
    "/usr/local/etc",
    env.XDG_DATA_HOME || join(homedir(), ".local", "share"),
    ...list(env.XDG_DATA_DIRS, `/usr/local/share${delimiter}/usr/share`),
    "/usr/local/share",
    "/usr/share",
  ].map((folder) => join(folder, "vulkan", "icd.d"));
}

/**
 * Whether the Vulkan loader would find any driver. Asking first spares users without one the warnings that Dawn and
 * the loader print.
 */
export async function hasVulkanDriver(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  if ([...DRIVER_VARIABLES, "VK_ADD_DRIVER_FILES"].some((name) => env[name])) return true;
  for (const folder of new Set(driverFolders(env))) {
    const names = await readdir(folder).catch(() => []);
    if (names.some((name) => name.endsWith(".json"))) return true;
  }
  return false;
}
