import { describe, expect, it } from "vitest";
import {
  checkResources,
  type KernelResources,
  parseResources,
  sharedMemoryRefusal,
} from "../../compiler/codegen/nvcc/resources.js";

/** As nvcc 13.0 prints it, with a helper function that was not inlined. */
const LOG = `ptxas info    : 24 bytes gmem
ptxas info    : Compiling entry function 'gemm' for 'sm_80'
ptxas info    : Function properties for gemm
    40 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Function properties for helper
    8 bytes stack frame, 4 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 40 bytes cumulative stack size, 2048 bytes smem, 400 bytes cmem[0]
ptxas info    : Compile time = 22.028 ms
ptxas info    : Compiling entry function 'gemm' for 'sm_90a'
ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to non wgmma instructions
ptxas info    : Function properties for gemm
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers
`;

const FITS: KernelResources = {
  architecture: "sm_86",
  registers: 128,
  sharedBytes: 99 * 1024,
  stackBytes: 0,
  spillBytes: 0,
  remarks: [],
};

describe("ptxas's report", () => {
  it("is read per architecture: registers, static and dynamic shared memory, all functions' spills", () => {
    const [ampere, hopper, ...rest] = parseResources(LOG, { threads: 128, sharedBytes: 1000 });
    expect(rest).toEqual([]);
    expect(ampere).toEqual({
      architecture: "sm_80",
      registers: 255,
      sharedBytes: 3048,
      stackBytes: 48,
      spillBytes: 32,
      remarks: [],
    });
    expect(hopper).toMatchObject({
      architecture: "sm_90a",
      registers: 168,
      sharedBytes: 1000,
      spillBytes: 0,
    });
    expect(hopper?.remarks).toEqual([
      "wgmma.mma_async instructions are serialized due to non wgmma instructions",
    ]);
  });

  const block = { threads: 512, sharedBytes: 4096 };

  it("allows what fits to the last byte and register", () => {
    expect(() => checkResources("k", block, FITS)).not.toThrow();
  });

  it.each([
    ["spills", { spillBytes: 4 }, /expected: 0 bytes of spills\n {2}found: {4}4 bytes/],
    [
      "too much shared memory",
      { sharedBytes: 99 * 1024 + 1 },
      /at most 101376 bytes\n {2}found: {4}101377 bytes, 4096 of/,
    ],
    ["too many registers", { registers: 136 }, /at most 65536 registers\n {2}found: {4}512 threads of 136/],
  ])("refuses %s, naming kernel, architecture and numbers", (_, change, message) => {
    const check = () => checkResources("ternary-gemm-8x8", block, { ...FITS, ...change });
    expect(check).toThrow(expect.objectContaining({ code: "TRITC_E_KERNEL_RESOURCES" }));
    expect(check).toThrow(/^ternary-gemm-8x8 on sm_86: /);
    expect(check).toThrow(message);
  });

  it("turns ptxas's own refusal of static shared memory into the same error", () => {
    const log = "ptxas error   : Entry function 'k' uses too much shared data (0x1d4c0 bytes, 0xc000 max)";
    expect(sharedMemoryRefusal("k", log)).toMatchObject({
      code: "TRITC_E_KERNEL_RESOURCES",
      details: { found: "120000 bytes", expected: expect.stringContaining("at most 49152 bytes") },
    });
    expect(sharedMemoryRefusal("k", LOG)).toBeUndefined();
  });
});
