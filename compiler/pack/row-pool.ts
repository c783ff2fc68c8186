import * as crypto from "node:crypto";
import * as fs from "node:fs";
import { startThread } from "../worker-thread.js";
import { createCodedReader } from "./coded-rows.js";
import { assembleRowKernel, KERNEL_BYTES, type RowType } from "./kernel.js";
import { createRowPacker, type PackerStart, type RowJob, type RowResult } from "./row-packer.js";

/** Packers that work at the same time, by number. A packer takes one job after the other. */
export interface RowPool {
  run(packer: number, job: RowJob): Promise<RowResult>;
  close(): Promise<void>;
}

/** Makes `threads` packers in threads of their own, or one in this thread where that is 0. */
export async function openRowPool(types: ReadonlySet<RowType>, threads: number): Promise<RowPool> {
  const modules: Partial<Record<RowType, WebAssembly.Module>> = {};
  for (const type of types) modules[type] = await WebAssembly.compile(await assembleRowKernel(type));
  const start: PackerStart = { modules, base: KERNEL_BYTES };
  if (threads === 0) {
    const pack = createRowPacker(fs, crypto, start, createCodedReader());
    return { run: async (_, job) => pack(job), close: async () => undefined };
  }
  const workers = Array.from({ length: threads }, () =>
    startThread<RowJob, RowResult>(THREAD, start, "packs weights"),
  );
  return {
    run(packer, job) {
      const worker = workers[packer];
      if (worker === undefined) throw new RangeError(`there is no packer ${packer}`);
      return worker.run(job);
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

const THREAD = `
const { parentPort, workerData } = require("node:worker_threads");
const pack = (${createRowPacker.toString()})(
  require("node:fs"), require("node:crypto"), workerData, (${createCodedReader.toString()})());
parentPort.on("message", (job) => {
  const result = pack(job);
  const buffers = result.kind === "packed" ? [result.bytes.buffer, result.scales.buffer] : [];
  parentPort.postMessage(result, buffers);
});
`;
