import { describe, expect, it } from "vitest";
import { runCudaSource, wholeArg } from "../support/cuda-source.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { output } from "../support/launch.js";

const { devices } = cudaDevices("sm_90a");

const DECLARATIONS = `
#include "cuda/ptx/cluster.cuh"
#include "cuda/ptx/mbarrier.cuh"`;
const START = `
  extern __shared__ __align__(1024) unsigned char shared[];
  unsigned* own = reinterpret_cast<unsigned*>(shared + 64);
  unsigned long long* bar = reinterpret_cast<unsigned long long*>(shared);
  const unsigned rank = cluster_rank();
  if (threadIdx.x == 0) { mbarrier_init(bar, 4); mbarrier_init_fence(); }`;
/** Each thread gets a number from its fellow of each block. */
const SEND = `
  for (unsigned to = 0; to < 4; to++) cluster_map(own, to)[32 * rank + threadIdx.x] = 100 * blockIdx.x + 10 * to + threadIdx.x;`;
const ARRIVE = "__syncwarp(); if (threadIdx.x < 4) cluster_arrive(bar, threadIdx.x);";
const STORE = `
  unsigned sum = 0;
  for (unsigned from = 0; from < 4; from++) sum += own[32 * from + threadIdx.x];
  rowOf(arguments.out, arguments.step, 0)[32 * blockIdx.x + threadIdx.x] = sum;`;
const WAIT = "cluster_wait(bar, 0);";
const SYNC = "cluster_sync();";

/** What each schedule stores in `out` of two clusters of four blocks, or the error's text. */
async function everyWay(...body: readonly string[]): Promise<readonly unknown[]> {
  const kernel = {
    ...{ args: [wholeArg("out", "u32", "write")], threads: 32, sharedBytes: 1024, cluster: 4 },
    declarations: DECLARATIONS,
    body: body.join("\n"),
  };
  const results: unknown[] = [];
  for (const device of Object.values(devices())) {
    const launch = runCudaSource(device, kernel, { rows: 1, args: { out: output(1, 256) }, grid: [2, 1, 1] });
    results.push(
      await launch.then(
        ({ out }) => [...(out ?? [])],
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      ),
    );
  }
  return results;
}

describe("blocks of a cluster", () => {
  it("reach each other's shared memory and barriers", async () => {
    const expected = Array.from({ length: 256 }, (_, i) => {
      const [block, thread] = [Math.floor(i / 32), i % 32];
      const first = block - (block % 4);
      const sent = [0, 1, 2, 3].map((from) => 100 * (first + from) + 10 * (block % 4) + thread);
      return sent.reduce((sum, x) => sum + x, 0);
    });
    for (const result of await everyWay(START, SYNC, SEND, ARRIVE, WAIT, STORE, SYNC)) {
      expect(result).toEqual(expected);
    }
    for (const result of await everyWay(START, SYNC, SEND, SYNC, STORE)) expect(result).toEqual(expected);
  });

  it("have met before they do", async () => {
    for (const result of await everyWay(START, SEND, SYNC, STORE)) {
      expect(result).toMatch(/an address in a block of its cluster that no cluster_sync has waited for/);
    }
  });

  it("wait for what they are sent", async () => {
    const right = String((await everyWay(START, SYNC, SEND, SYNC, STORE))[0]);
    const results = await everyWay(START, SYNC, SEND, STORE, SYNC);
    expect(results.some((result) => String(result) !== right)).toBe(true);
  });

  it("stay until nobody reaches them any more", async () => {
    const results = await everyWay(START, SYNC, "if (rank == 0) return;", SEND);
    expect(results.join()).toMatch(/a block of its cluster that has returned/);
  });

  it("that wait for ever are found", async () => {
    for (const result of await everyWay(START, SYNC, ARRIVE, WAIT, "mbarrier_wait(bar, 1);")) {
      expect(result).toMatch(/deadlock: 32 threads \(the first is 0\) wait for an mbarrier/);
    }
    for (const result of await everyWay(
      START,
      "__syncthreads(); if (rank == 2) mbarrier_wait(bar, 0);",
      SYNC,
    )) {
      expect(result).toMatch(/deadlock: 32 threads .* wait for/);
    }
  });
});
