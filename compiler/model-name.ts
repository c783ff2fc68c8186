import { basename, resolve } from "node:path";

/** A snapshot in Hugging Face's cache, whose folder is called by its commit. */
const SNAPSHOT = /[/\\]models--(?:[^/\\]+--)?([^/\\]+?)[/\\]snapshots[/\\][0-9a-f]{40}$/;

/** What a model at a path is called: the last part of the path, or the repository's name. */
export function modelName(path: string): string {
  return SNAPSHOT.exec(resolve(path))?.[1] ?? basename(path);
}
