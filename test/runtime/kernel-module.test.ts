/** What a kernel of a bundle may ask for: its binary may come from anybody, with a right hash. */
import { describe, expect, it } from "vitest";
import wabtInit from "wabt";
import { compileKernelModule } from "../../runtime/cpu/kernel-module.js";
import { createParticipant, type ThreadReport } from "../../runtime/cpu/participant.js";

const FEATURES = {
  threads: true,
  simd: true,
  reference_types: true,
  bulk_memory: true,
  mutable_globals: true,
  multi_memory: true,
  exceptions: true,
};

async function binary(wat: string): Promise<Uint8Array<ArrayBuffer>> {
  const wabt = await wabtInit();
  return new Uint8Array(wabt.parseWat("kernel.wat", wat, FEATURES).toBinary({}).buffer);
}

const MEMORY = `(import "env" "memory" (memory 1 65536 shared))`;
const RUN = `(func (export "run") (param i32 i32 i32))`;

const ACCEPTED: readonly (readonly [string, string])[] = [
  ["memory alone", `${MEMORY} ${RUN}`],
  ["nothing", RUN],
  [
    "everything that kernels get",
    `${MEMORY} (import "env" "scratch" (global i32)) (import "env" "sin" (func (param f64) (result f64)))
     (import "env" "cos" (func (param f64) (result f64))) (global v128 (v128.const i32x4 -1 0 0 0)) (func $own (result v128) (v128.const i32x4 0 0 0 0)) ${RUN}`,
  ],
];

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  [
    "a constructor",
    `(import "constructor" "constructor" (func (param i32))) ${RUN}`,
    /constructor\.constructor/,
  ],
  ["the prototype", `(import "env" "__proto__" (global i32)) ${RUN}`, /env\.__proto__/],
  ["a method of objects", `(import "env" "toString" (func)) ${RUN}`, /env\.toString/],
  ["another module", `(import "node" "memory" (memory 1 65536 shared)) ${RUN}`, /node\.memory/],
  ["values of the host", `(import "env" "sin" (func (param externref))) ${RUN}`, /values of type 111/],
  ["another type of function", `(import "env" "sin" (func (param f64))) ${RUN}`, /f64 → nothing env\.sin/],
  ["a function under a global's name", `(import "env" "scratch" (func)) ${RUN}`, /env\.scratch/],
  ["a mutable global", `(import "env" "scratch" (global (mut i32))) ${RUN}`, /mutable global i32/],
  ["a table", `(import "env" "memory" (table 1 funcref)) ${RUN}`, /import of kind 1/],
  ["a tag", `(import "env" "memory" (tag)) ${RUN}`, /import of kind 4|module that this engine takes/],
  ["memory that is not shared", `(import "env" "memory" (memory 1)) ${RUN}`, /memory of flags 0, 1 to any/],
  [
    "more memory at first",
    `(import "env" "memory" (memory 2 65536 shared)) ${RUN}`,
    /shared memory 2 to 65536/,
  ],
  ["less memory in all", `(import "env" "memory" (memory 1 65535 shared)) ${RUN}`, /1 to 65535/],
  ["memory of its own", `(memory 1) ${RUN}`, /section 5/],
  ["a second memory", `${MEMORY} (memory 65536) ${RUN}`, /section 5|module that this engine takes/],
  ["a table of its own", `(table 1 funcref) ${RUN}`, /section 4/],
  ["a start function", `(func $f) (start $f) ${RUN}`, /section 8/],
  ["data", `${MEMORY} (data (i32.const 0) "x") ${RUN}`, /section 1[12]/],
  ["no run", `${MEMORY} (func (export "go") (param i32 i32 i32))`, /go, a function/],
  ["run of another type", `(func (export "run") (param i32 i32))`, /run, a function i32, i32 → nothing/],
  ["a run that is memory", `${MEMORY} (export "run" (memory 0))`, /run, a export of kind 2/],
  [
    "a run that is the host's",
    `(import "env" "sin" (func (param f64) (result f64))) (export "run" (func 0))`,
    /f64 → f64/,
  ],
  ["memory given away", `${MEMORY} ${RUN} (export "memory" (memory 0))`, /memory, a export/],
  ["two functions", `${RUN} (func (export "also"))`, /also/],
];

describe("a kernel", () => {
  it.each(ACCEPTED)("with %s is taken", async (_, wat) => {
    expect(await compileKernelModule("k", await binary(`(module ${wat})`))).toBeInstanceOf(
      WebAssembly.Module,
    );
  });

  it.each(REFUSED)("that wants %s is refused", async (_, wat, message) => {
    await expect(compileKernelModule("k", await binary(`(module ${wat})`))).rejects.toMatchObject({
      code: "TRITC_E_KERNEL",
      message: expect.stringMatching(message),
    });
  });

  it("with a section for debuggers is refused", async () => {
    const url = new TextEncoder().encode("\x10sourceMappingURL\x11http://example.org");
    const module = Uint8Array.of(...(await binary(`(module ${RUN})`)), 0, url.length, ...url);
    await expect(compileKernelModule("k", module)).rejects.toThrow(/section 0/);
  });

  it("of types that this reader does not know is refused", async () => {
    const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    // (type (struct)), then lengths that would take long to read.
    const struct = Uint8Array.of(...head, 1, 3, 1, 0x5f, 0);
    await expect(compileKernelModule("k", struct)).rejects.toMatchObject({ code: "TRITC_E_KERNEL" });
  });
});

it("instantiation reaches no prototypes", async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
  for (const wat of [
    `(import "constructor" "constructor" (func (param i32))) ${RUN}`,
    `(import "env" "constructor" (func (param i32))) ${RUN}`,
  ]) {
    const reports: ThreadReport[] = [];
    const handle = createParticipant((report) => reports.push(report), false);
    handle({ type: "start", memory, threads: 1, scratch: 0, control: 0, controlWords: 16 });
    handle({ type: "kernels", modules: [await WebAssembly.compile(await binary(`(module ${wat})`))] });
    expect(reports).toEqual([{ run: 0, error: expect.stringMatching(/instantiation: .*import/i) }]);
  }
});
