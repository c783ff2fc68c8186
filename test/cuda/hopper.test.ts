import { describe, expect, it } from "vitest";
import type { CudaTensorMap } from "../../ir/program/program.js";
import { bfloatBytes } from "../support/bfloat.js";
import { type CudaSource, runCudaSource, wholeArg } from "../support/cuda-source.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { type LaunchRequest, matrix, output } from "../support/launch.js";
import { product, values } from "../support/matrix-product.js";
import { randomInts } from "../support/random.js";

const { devices } = cudaDevices("sm_90a");

const DECLARATIONS = ["mbarrier", "tma", "wgmma-bf16", "wgmma-groups", "hopper"]
  .map((file) => `#include "cuda/ptx/${file}.cuh"`)
  .join("\n");
const START = (bytes: number) => `
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ unsigned long long bar;
  if (threadIdx.x == 0) { mbarrier_init(&bar, 1); mbarrier_init_fence(); }
  __syncthreads();
  if (threadIdx.x == 0) mbarrier_expect(&bar, ${bytes});`;
const STORE_SUMS = `
  const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int i = 0; i < 64; i++)
    rowOf(arguments.out, arguments.step, 16 * warp + lane / 4 + i / 2 % 2 * 8)[i / 4 * 8 + lane % 4 * 2 + i % 2] = d[i];`;

type Box = Pick<CudaTensorMap, "columns" | "box" | "swizzle"> & Partial<CudaTensorMap>;
const boxes = (box: Box): CudaTensorMap => ({ arg: 0, rows: "launch", ...box });

/** What each schedule stores in `out`, or the error’s text. */
async function everyWay(
  kernel: Omit<CudaSource, "declarations">,
  request: Omit<LaunchRequest, "grid">,
): Promise<readonly unknown[]> {
  const results: unknown[] = [];
  for (const device of Object.values(devices())) {
    const launch = runCudaSource(
      device,
      { ...kernel, declarations: DECLARATIONS },
      { ...request, grid: [1, 1, 1] },
    );
    results.push(
      await launch.then(
        ({ out }) => [...out!],
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      ),
    );
  }
  return results;
}

const thrice = (expected: unknown) => [expected, expected, expected];

describe("the tensor memory accelerator", () => {
  const source = randomInts(7, 20 * 160, -128, 127);
  const x = matrix(Int8Array.from(source), 20, 160);
  const args = [wholeArg("x", "i8"), wholeArg("out", "i8", "write")];

  it.each([
    ["none", 128, 0],
    ["64B", 64, 3],
    ["128B", 128, 7],
  ] as const)("loads boxes, swizzle %s", async (swizzle, inner, mask) => {
    const bytes = 16 * inner;
    const kernel = {
      args,
      threads: 32,
      sharedBytes: bytes,
      tensorMaps: [boxes({ columns: 150, box: [inner, 16], swizzle })],
      body: `
        ${START(bytes)}
        if (threadIdx.x == 0) tma_load_2d(shared, &map0, 64, 10, &bar);
        mbarrier_wait(&bar, 0);
        for (int i = threadIdx.x; i < ${bytes}; i += 32) rowOf(arguments.out, arguments.step, 0)[i] = (signed char)shared[i];`,
    };
    // Bits 4 up of an address are exchanged by bits 7 up: 16-byte chunks by the 128-byte line.
    const expected = Array.from({ length: bytes }, (_, at) => {
      const i = at ^ (((at >> 7) & mask) << 4);
      const row = 10 + Math.floor(i / inner);
      const column = 64 + (i % inner);
      return row < 20 && column < 150 ? source[row * 160 + column]! : 0;
    });
    expect(await everyWay(kernel, { rows: 20, args: { x, out: output(1, bytes) } })).toEqual(
      thrice(expected),
    );
  });

  it("does not wait by itself", async () => {
    const kernel = {
      args,
      threads: 32,
      sharedBytes: 2048,
      tensorMaps: [boxes({ columns: 150, box: [128, 16], swizzle: "none" })],
      body: `
        ${START(2048)}
        if (threadIdx.x == 0) tma_load_2d(shared, &map0, 0, 0, &bar);
        __syncthreads();
        rowOf(arguments.out, arguments.step, 0)[threadIdx.x] = (signed char)shared[threadIdx.x];
        mbarrier_wait(&bar, 0);`,
    };
    const [forward] = await everyWay(kernel, { rows: 20, args: { x, out: output(1, 32) } });
    expect(forward).toEqual(Array(32).fill(-1));
  });

  it.each([
    ["after the copy has read it", "fence_proxy_async();", "tma_store_wait_read<0>();", true],
    ["before the copy has read it", "fence_proxy_async();", "", false],
    ["without a fence", "", "tma_store_wait_read<0>();", false],
  ])("stores boxes of shared memory that was written %s", async (_, fence, wait, right) => {
    const kernel = {
      args,
      threads: 32,
      sharedBytes: 2048,
      tensorMaps: [boxes({ arg: 1, columns: 50, box: [32, 4], swizzle: "none" })],
      body: `
        extern __shared__ __align__(1024) unsigned char shared[];
        for (int i = threadIdx.x; i < 128; i += 32) shared[i] = i;
        ${fence}
        __syncthreads();
        if (threadIdx.x == 0) {
          tma_store_2d(&map0, shared, 32, 4);
          tma_store_commit();
          ${wait}
          shared[33] = 99;
          tma_store_wait<0>();
        }`,
    };
    const out = output(6, 50, { rowStride: 64, offset: 16 });
    const results = await everyWay(kernel, { rows: 6, args: { x, out } });
    // What lies outside the map stays poison.
    const expected = Array.from({ length: 300 }, (_, i) => {
      const row = Math.floor(i / 50) - 4;
      const column = (i % 50) - 32;
      return row >= 0 && column >= 0 ? row * 32 + column : -51;
    });
    if (right) expect(results).toEqual(thrice(expected));
    else expect(results[0]).not.toEqual(expected);
  });
});

describe("wgmma", () => {
  const bytes = values(1, 64 * 128, 240);
  const columns = values(2, 128 * 128, -128);
  const integers = (finish: string) => ({
    args: [wholeArg("b", "i8"), wholeArg("a", "u8"), wholeArg("out", "i32", "write")],
    threads: 128,
    sharedBytes: 16384,
    tensorMaps: [boxes({ columns: 128, box: [128, 128], swizzle: "128B" })],
    body: `
      ${START(16384)}
      if (threadIdx.x == 0) tma_load_2d(shared, &map0, 0, 0, &bar);
      mbarrier_wait(&bar, 0);
      int d[64];
      for (int i = 0; i < 64; i++) d[i] = 1;
      unsigned a[4][4];
      for (int block = 0; block < 4; block++)
        for (int i = 0; i < 4; i++) {
          const unsigned row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4 + i % 2 * 8;
          const unsigned k = 32 * block + threadIdx.x % 4 * 4 + i / 2 * 16;
          a[block][i] = *reinterpret_cast<const unsigned*>(rowOf(arguments.a, arguments.step, row) + k);
        }
      wgmma_fence();
      for (int block = 0; block < 4; block++)
        wgmma_m64n128k32_u8s8(d, a[block], wgmma_descriptor_128B(shared) + 2 * block);
      wgmma_commit();
      ${finish}
      ${STORE_SUMS}`,
  });
  const request = {
    rows: 128,
    args: {
      b: matrix(Int8Array.from(columns), 128, 128),
      a: matrix(Uint8Array.from(bytes), 64, 128),
      out: output(64, 128),
    },
  };
  const expected = product(bytes, columns, 64, 128, 128).map((sum) => sum + 1);

  it("multiplies codes in registers and rows in shared memory", async () => {
    expect(await everyWay(integers("wgmma_wait<0>();"), request)).toEqual(thrice(expected));
  });

  it("multiplies signed bytes, and begins sums", async () => {
    const kernel = integers("wgmma_wait<0>();");
    const body = kernel.body.replace(
      /wgmma_m64n128k32_u8s8(\(.*\);)/,
      "if (block == 0) wgmma_m64n128k32_s8s8<false>$1 else wgmma_m64n128k32_s8s8<true>$1",
    );
    const signed = product(Int8Array.from(bytes), columns, 64, 128, 128);
    expect(await everyWay({ ...kernel, body }, request)).toEqual(thrice(signed));
  });

  it("has no results before the wait", async () => {
    expect(await everyWay(integers("wgmma_wait<1>();"), request)).toEqual(thrice(Array(64 * 128).fill(1)));
  });

  it("refuses operands that change before the wait", async () => {
    const results = await everyWay(integers("shared[threadIdx.x]++; wgmma_wait<0>();"), request);
    for (const text of results) expect(text).toContain("shared memory changed");
  });

  it("asks for a fence", async () => {
    const kernel = integers("wgmma_wait<0>();");
    const body = kernel.body.replace("wgmma_fence();", "");
    for (const text of await everyWay({ ...kernel, body }, request))
      expect(text).toContain("without wgmma_fence()");
  });

  it("multiplies bf16 of which both are in shared memory", async () => {
    const left = values(3, 64 * 64, -8);
    const right = values(4, 128 * 64, -8);
    const kernel = {
      args: [wholeArg("a", "bf16"), wholeArg("b", "bf16"), wholeArg("out", "f32", "write")],
      threads: 128,
      sharedBytes: 8192 + 16384,
      tensorMaps: [
        boxes({ columns: 64, box: [64, 64], swizzle: "128B" }),
        boxes({ arg: 1, columns: 64, box: [64, 128], swizzle: "128B" }),
      ],
      body: `
        ${START(8192 + 16384)}
        if (threadIdx.x == 0) {
          tma_load_2d(shared, &map0, 0, 0, &bar);
          tma_load_2d(shared + 8192, &map1, 0, 0, &bar);
        }
        mbarrier_wait(&bar, 0);
        float d[64];
        for (int i = 0; i < 64; i++) d[i] = 1e30f;
        wgmma_fence();
        for (int block = 0; block < 4; block++)
          wgmma_m64n128k16_bf16_ss(d, wgmma_descriptor_128B(shared) + 2 * block, wgmma_descriptor_128B(shared + 8192) + 2 * block,
                                   block > 0);
        wgmma_commit();
        wgmma_wait<0>();
        ${STORE_SUMS}`,
    };
    const results = await everyWay(kernel, {
      rows: 128,
      args: {
        a: matrix(bfloatBytes(left), 64, 64),
        b: matrix(bfloatBytes(right), 128, 64),
        out: output(64, 128),
      },
    });
    expect(results).toEqual(thrice(product(left, right, 64, 128, 64)));
  });

  it("multiplies bf16 whose rows in shared memory run along k", async () => {
    const left = values(5, 64 * 32, -8);
    const right = values(6, 128 * 32, -8);
    const alongK = Float32Array.from(
      { length: 32 * 128 },
      (_, i) => right[(i % 128) * 32 + Math.floor(i / 128)]!,
    );
    const kernel = {
      args: [wholeArg("b", "bf16"), wholeArg("a", "bf16"), wholeArg("out", "f32", "write")],
      threads: 128,
      sharedBytes: 8192,
      tensorMaps: [boxes({ columns: 128, box: [64, 32], swizzle: "128B" })],
      body: `
        ${START(8192)}
        if (threadIdx.x == 0) {
          tma_load_2d(shared, &map0, 0, 0, &bar);
          tma_load_2d(shared + 4096, &map0, 64, 0, &bar);
        }
        mbarrier_wait(&bar, 0);
        float d[64] = {};
        unsigned a[2][4];
        for (int block = 0; block < 2; block++)
          for (int i = 0; i < 4; i++) {
            const unsigned row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4 + i % 2 * 8;
            const unsigned k = 16 * block + threadIdx.x % 4 * 2 + i / 2 * 8;
            a[block][i] = *reinterpret_cast<const unsigned*>(rowOf(arguments.a, arguments.step, row) + k);
          }
        wgmma_fence();
        for (int block = 0; block < 2; block++)
          wgmma_m64n128k16_bf16_transposed(d, a[block], wgmma_descriptor_128B_transposed(shared, 4096) + 128 * block);
        wgmma_commit();
        wgmma_wait<0>();
        ${STORE_SUMS}`,
    };
    const results = await everyWay(kernel, {
      rows: 32,
      args: {
        a: matrix(bfloatBytes(left), 64, 32),
        b: matrix(bfloatBytes(alongK), 32, 128),
        out: output(64, 128),
      },
    });
    expect(results).toEqual(thrice(product(left, right, 64, 128, 32)));
  });
});
