import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { unpackModels } from "../benchmarks/build/models.js";

declare module "vitest" {
  export interface ProvidedContext {
    /** What test files share of this run. */
    readonly runFolder: string;
  }
}

/** Runs once before all test files; what it returns runs after them. */
export async function setup(project: TestProject): Promise<() => void> {
  // Else ONNX Runtime reports to its makers that these tests run.
  process.env.ORT_DISABLE_TELEMETRY = "1";
  await unpackModels(join(import.meta.dirname, "models"));
  const folder = mkdtempSync(join(tmpdir(), "tritc-run-"));
  project.provide("runFolder", folder);
  return () => rmSync(folder, { recursive: true });
}
