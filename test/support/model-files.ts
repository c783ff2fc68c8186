import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Where a test file's models lie: a folder of its own, removed after its tests. */
export interface ModelFiles {
  readonly root: string;
  /** Writes a model into a new folder and gives its path. */
  save(bytes: Uint8Array): string;
}

/** Call it at the top of a test file. In a module that several import, the first of them would remove it. */
export function modelFiles(): ModelFiles {
  const root = mkdtempSync(join(tmpdir(), "tritc-models-"));
  afterAll(() => rmSync(root, { recursive: true }));
  return {
    root,
    save(bytes) {
      const file = join(mkdtempSync(join(root, "m-")), "model.onnx");
      writeFileSync(file, bytes);
      return file;
    },
  };
}
