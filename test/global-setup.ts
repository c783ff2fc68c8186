import { join } from "node:path";
import { unpackModels } from "../benchmarks/build/models.js";

/** Runs once before all test files. */
export async function setup(): Promise<void> {
  await unpackModels(join(import.meta.dirname, "models"));
}
