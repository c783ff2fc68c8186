import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The folder for files that can be made again: `TRITC_HOME` where set, else `tritc` in the platform's cache folder.
 * The folder need not exist.
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env, platform: string = process.platform): string {
  if (env.TRITC_HOME) return env.TRITC_HOME;
  if (platform === "win32") return join(env.LOCALAPPDATA || join(homedir(), "AppData", "Local"), "tritc");
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "tritc");
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tritc");
}
