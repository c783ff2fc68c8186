import { rmSync } from "node:fs";

const paths = new Set<string>();
process.once("exit", () => {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
});

/** Removes a temporary file or folder if the process ends before the function that this returns is called. */
export function removeOnExit(path: string): () => void {
  paths.add(path);
  return () => paths.delete(path);
}
