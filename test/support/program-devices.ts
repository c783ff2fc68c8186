import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { cpu, targetByName, webgpu } from "../../targets/index.js";
import { emulatedDriver } from "./cuda-emulator.js";

/** A device of each language, by name, that runs whole programs; CUDA's is emulated. */
export const PROGRAM_DEVICES = [
  ["cpu", cpu, () => createNodeCpuDevice({ threads: 2 })],
  ["webgpu", webgpu, () => createNodeWebGpuDevice({ software: "always" })],
  [
    "cuda",
    targetByName("cuda-portable"),
    async () =>
      createNodeCudaDevice({
        driver: (await emulatedDriver("sm_86", "forward")).path,
        synchronous: true,
      }),
  ],
] as const;
