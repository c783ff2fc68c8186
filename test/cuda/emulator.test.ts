import { describe, expect, it, vi } from "vitest";
import { type CudaSource, rowArg, runCudaSource, wholeArg } from "../support/cuda-source.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { matrix, output } from "../support/launch.js";

const { devices } = cudaDevices("sm_86");
const DYNAMIC = "extern __shared__ __align__(1024) unsigned char shared[];";
const OUT = rowArg("out", "i32", "write");

/** What every schedule makes of a kernel that writes `columns` integers: the values, or the error's text. */
async function everyWay(
  kernel: Omit<CudaSource, "args"> & { readonly args?: CudaSource["args"] },
  columns: number,
  args: Parameters<typeof runCudaSource>[2]["args"] = {},
  blocks = 1,
): Promise<Readonly<Record<string, readonly number[] | string>>> {
  const results: Record<string, readonly number[] | string> = {};
  for (const [schedule, device] of Object.entries(devices())) {
    const request = { rows: 1, args: { ...args, out: output(1, columns) }, grid: [blocks, 1, 1] } as const;
    results[schedule] = await runCudaSource(device, { args: [OUT], ...kernel }, request).then(
      ({ out }) => [...out!],
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
  }
  return results;
}

describe("threads of a block", () => {
  const reversal = (barrier: string) => `
    __shared__ int values[128];
    int* out = rowOf(arguments.out, arguments.step, 0);
    values[threadIdx.x] = 7 * threadIdx.x;
    ${barrier}
    out[threadIdx.x] = values[127 - threadIdx.x];`;
  const reversed = Array.from({ length: 128 }, (_, i) => 7 * (127 - i));

  it("exchange values through shared memory at a barrier", async () => {
    const results = await everyWay({ threads: 128, body: reversal("__syncthreads();") }, 128);
    expect(results).toEqual({ forward: reversed, reverse: reversed, shuffled: reversed });
  });

  it("see poison where the barrier is missing", async () => {
    const results = await everyWay({ threads: 128, body: reversal("") }, 128);
    for (const values of Object.values(results)) expect(values).not.toEqual(reversed);
  });

  it("that return count as arrived at __syncthreads", async () => {
    const body = `
      int* out = rowOf(arguments.out, arguments.step, 0);
      if (threadIdx.x >= 96) return;
      __syncthreads();
      out[threadIdx.x] = __syncthreads_count(threadIdx.x % 3 == 0);`;
    const results = await everyWay({ threads: 128, body }, 96);
    expect(results).toEqual(Object.fromEntries(Object.keys(results).map((key) => [key, Array(96).fill(32)])));
  });

  it("that wait for one another are a deadlock with a place", async () => {
    const body = `
      if (threadIdx.x < 32) named_barrier_sync(1, 64);
      else __syncthreads();`;
    const results = await everyWay(
      { threads: 64, declarations: '#include "cuda/ptx/hopper.cuh"', body },
      1,
      {},
      3,
    );
    for (const text of Object.values(results)) {
      expect(text).toMatch(/source, block \(\d, 0, 0\): deadlock: /);
      expect(text).toContain("32 threads (the first is 0) wait for a named barrier");
      expect(text).toContain("32 threads (the first is 32) wait for __syncthreads");
    }
  });

  it("of a warp may not leave a collective", async () => {
    const body = `
      int* out = rowOf(arguments.out, arguments.step, 0);
      if (threadIdx.x == 5) return;
      out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, (int)threadIdx.x, 1);`;
    for (const text of Object.values(await everyWay({ threads: 32, body }, 32)))
      expect(text).toMatch(/source, block \(0, 0, 0\), thread \(\d+, 0, 0\): .*__shfl_xor_sync/);
  });

  it("shuffle and vote", async () => {
    const body = `
      int* out = rowOf(arguments.out, arguments.step, 0);
      const int x = (int)threadIdx.x;
      out[x] = __shfl_xor_sync(0xffffffffu, 10 * x, 5);
      out[32 + x] = __shfl_down_sync(0xffffffffu, 10 * x, 3, 8);
      out[64 + x] = __shfl_up_sync(0xffffffffu, 10 * x, 3);
      out[96 + x] = __shfl_sync(0xffffffffu, 10 * x, 2, 4);
      out[128 + x] = (int)__ballot_sync(0xffffffffu, x % 5 == 0);
      out[160 + x] = __reduce_max_sync(0xffffffffu, (x * 7) % 32 - 40);`;
    const lanes = Array.from({ length: 32 }, (_, x) => x);
    const expected = [
      ...lanes.map((x) => 10 * (x ^ 5)),
      ...lanes.map((x) => 10 * (x % 8 < 5 ? x + 3 : x)),
      ...lanes.map((x) => 10 * (x < 3 ? x : x - 3)),
      ...lanes.map((x) => 10 * (x - (x % 4) + 2)),
      ...lanes.map(() => 0b01000010000100001000010000100001),
      ...lanes.map(() => -9),
    ];
    const results = await everyWay({ threads: 32, body }, 192);
    expect(results).toEqual({ forward: expected, reverse: expected, shuffled: expected });
  });
});

describe("memory", () => {
  it("of a block is poisoned before it", async () => {
    const body = `
      ${DYNAMIC}
      __shared__ int fixed[4];
      int* out = rowOf(arguments.out, arguments.step, 0);
      const int before = fixed[1] == -1 && reinterpret_cast<int*>(shared)[3] == -1;
      fixed[1] = reinterpret_cast<int*>(shared)[3] = 1;
      out[blockIdx.x] = before;`;
    const results = await everyWay({ threads: 1, sharedBytes: 16, body }, 3, {}, 3);
    expect(results).toEqual({ forward: [1, 1, 1], reverse: [1, 1, 1], shuffled: [1, 1, 1] });
  });

  it.each([
    [
      "shared memory behind what the launch asked for",
      "reinterpret_cast<int*>(shared)[256] = 1;",
      "1024 bytes",
    ],
    [
      "device memory far outside",
      "rowOf(arguments.out, arguments.step, 0)[1 << 20] = 1;",
      "outside of every allocation",
    ],
    [
      "a misaligned vector",
      "*reinterpret_cast<float4*>(shared + 8) = make_float4(1, 2, 3, 4);",
      "misaligned",
    ],
    [
      "an index outside a shared array",
      "__shared__ int few[4]; few[4 + threadIdx.x] = 1; few[threadIdx.x] = 2;",
      "outside its array",
    ],
  ])("faults on %s", async (_, statement, message) => {
    const body = `${DYNAMIC}\n${statement}`;
    for (const text of Object.values(await everyWay({ threads: 1, sharedBytes: 1024, body }, 4)))
      expect(text).toContain(message);
  });
});

describe("cp.async", () => {
  const source = Int32Array.from({ length: 128 }, (_, i) => 1000 + 3 * i);
  const copying = (wait: string) => ({
    args: [wholeArg("x", "i32"), OUT],
    threads: 32,
    sharedBytes: 512,
    declarations: '#include "cuda/ptx/cp-async.cuh"',
    body: `
      ${DYNAMIC}
      const int* x = rowOf(arguments.x, arguments.step, 0);
      int* out = rowOf(arguments.out, arguments.step, 0);
      cp_async_16(shared + 16 * threadIdx.x, x + 4 * threadIdx.x, threadIdx.x != 7);
      cp_async_commit();
      ${wait}
      __syncthreads();
      for (int i = 0; i < 4; i++) out[32 * i + threadIdx.x] = reinterpret_cast<int*>(shared)[32 * i + threadIdx.x];`,
  });
  const copied = [...source].map((x, i) => (i >= 28 && i < 32 ? 0 : x));

  it("has copied what was waited for", async () => {
    const results = await everyWay(copying("cp_async_wait<0>();"), 128, { x: matrix(source, 1, 128) });
    expect(results).toEqual({ forward: copied, reverse: copied, shuffled: copied });
  });

  it.each(["", "cp_async_wait<1>();"])("has not without the wait: '%s'", async (wait) => {
    const { forward, shuffled } = await everyWay(copying(wait), 128, { x: matrix(source, 1, 128) });
    expect(forward).toEqual(Array(128).fill(-1));
    expect(shuffled).not.toEqual(copied);
  });
});

it("says that it needs g++ where there is none", async () => {
  vi.resetModules();
  vi.stubEnv("PATH", "");
  try {
    const { emulatedDriver } = await import("../support/cuda-emulator.js");
    await expect(emulatedDriver("sm_86", "forward")).rejects.toThrow("needs g++");
  } finally {
    vi.unstubAllEnvs();
  }
});
