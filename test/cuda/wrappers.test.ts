import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const HARDWARE = join(ROOT, "templates/cuda/ptx");
const EMULATED = join(ROOT, "test/cuda/emulator/cuda/ptx");

/** The functions that a file gives to kernels. */
function functions(path: string): readonly string[] {
  const found = readFileSync(path, "utf8").matchAll(/__device__ __forceinline__ [\w\s]*?(\w+)\(/g);
  return [...found].map(([, name]) => name ?? "").sort();
}

describe("wrappers of PTX", () => {
  it.each(readdirSync(HARDWARE))("of %s are those of the emulator", (file) => {
    expect(functions(join(EMULATED, file))).toEqual(functions(join(HARDWARE, file)));
  });
});
