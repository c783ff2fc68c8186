import type { KernelSignature } from "../../ir/families/contract/family.js";
import type { CudaTensorMap, DeviceDType, KernelArg } from "../../ir/program/program.js";
import type { Device } from "../../runtime/device.js";
import { cudaEntry } from "../../targets/cuda/abi.js";
import { cudaHeader } from "../../templates/cuda/header.js";
import type { KernelDefinition } from "../../templates/kernel-definition.js";
import { type Data, type LaunchRequest, runLaunch } from "./launch.js";

/** An argument whose row m belongs to row m of the launch. */
export function rowArg(name: string, dtype: DeviceDType, access: KernelArg["access"] = "read"): KernelArg {
  return { name, dtype, access, byRow: true };
}

/** An argument every row of the launch may touch as a whole. */
export function wholeArg(name: string, dtype: DeviceDType, access: KernelArg["access"] = "read"): KernelArg {
  return { name, dtype, access, byRow: false };
}

/** A kernel that is no template: its body, and what it is launched with. */
export interface CudaSource {
  readonly args: KernelSignature["args"];
  readonly threads: number;
  readonly body: string;
  /** Lines before the kernel, such as includes. */
  readonly declarations?: string;
  readonly sharedBytes?: number;
  /** Blocks of a cluster, which share a tile. */
  readonly cluster?: number;
  readonly tensorMaps?: readonly CudaTensorMap[];
}

/** Runs it with one block, or cluster of them, per tile of 1 x 1 x 1 of the request's grid. */
export function runCudaSource(
  device: Device,
  kernel: CudaSource,
  request: LaunchRequest,
): Promise<Readonly<Record<string, Data>>> {
  const signature = { args: kernel.args, scalars: [] };
  const { cluster, tensorMaps = [] } = kernel;
  const definition: KernelDefinition = {
    kernel: {
      family: "source",
      params: {},
      ...signature,
      config: { variant: "source" },
      workgroup: [kernel.threads, 1, 1],
      features: ["sm_70"],
      cuda: {
        ...{ sharedBytes: kernel.sharedBytes ?? 0, tile: [1, 1, 1], persistent: false, tensorMaps },
        ...(cluster !== undefined && { cluster }),
      },
    },
    language: "cuda",
    template: "",
    values: {},
    tile: [1, 1, 1],
    fallback: null,
    choices: [],
  };
  const parameters = [
    "const __grid_constant__ Arguments arguments",
    ...tensorMaps.map((_, i) => `const __grid_constant__ TensorMap map${i}`),
  ];
  const source = [
    cudaHeader(signature),
    kernel.declarations ?? "",
    `extern "C" __global__ void ${cluster === undefined ? "" : `__cluster_dims__(${cluster}, 1, 1) `}__launch_bounds__(${kernel.threads}) ${cudaEntry({ family: "source" })}(${parameters.join(", ")}) {`,
    kernel.body,
    "}",
  ].join("\n");
  return runLaunch(device, definition, { ...request, source: () => source });
}
