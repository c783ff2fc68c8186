import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const HARDWARE = join(ROOT, "templates/cuda/ptx");
const EMULATED = join(ROOT, "test/cuda/emulator/cuda/ptx");

/** Names of the functions that a file defines for kernels, by itself or through a macro's `name##count`. */
function functions(path: string): readonly string[] {
  const text = readFileSync(path, "utf8").replaceAll("\\\n", "\n");
  return [...text.matchAll(/__forceinline__\s+[\w\s]+?\s(\w+)\(/g)].map((match) => match[1]!);
}

describe("wrappers of PTX", () => {
  it.each(readdirSync(HARDWARE))("of %s have a meaning in the emulator", (file) => {
    const text = readFileSync(join(EMULATED, file), "utf8");
    const included = [...text.matchAll(/#include "cuda\/ptx\/([\w-]+\.cuh)"/g)].map((match) => match[1]!);
    const all = [file, ...included].map((name) => readFileSync(join(EMULATED, name), "utf8")).join("\n");
    // ldmatrix_x##count and the like stand for one name per count.
    const known = all.replace(/(\w+)##count/g, (_, name: string) => `${name}1 ${name}2 ${name}4`);
    const missing = functions(join(HARDWARE, file)).filter((name) => !new RegExp(`\\b${stem(name, all)}\\b`).test(known));
    expect(missing).toEqual([]);
  });
});

/** A name as its macro spells it: without the suffix behind the count where there is one. */
function stem(name: string, text: string): string {
  return text.includes("##count##_trans") ? name.replace(/_trans$/, "") : name;
}
