/**
 * The entry points of the CUDA driver API that the runtime calls, under their exported names, and their parameters:
 *
 *   int     int, an enumeration or a CUdevice
 *   uint    unsigned
 *   size    size_t
 *   device  CUdeviceptr or a 64-bit integer
 *   handle  an object of the driver (CUcontext, CUstream, …) or an address in host memory
 *   memory  host memory that the call reads or fills
 *   text    a string
 *
 * Each returns a CUresult.
 */
export const CALLS = {
  cuInit: ["uint"],
  cuDriverGetVersion: ["memory"],
  cuGetErrorName: ["int", "memory"],
  cuGetErrorString: ["int", "memory"],
  cuDeviceGetCount: ["memory"],
  cuDeviceGet: ["memory", "int"],
  cuDeviceGetName: ["memory", "int", "int"],
  cuDeviceGetAttribute: ["memory", "int", "int"],
  cuDeviceTotalMem_v2: ["memory", "int"],
  cuDevicePrimaryCtxRetain: ["memory", "int"],
  cuDevicePrimaryCtxRelease_v2: ["int"],
  cuCtxSetCurrent: ["handle"],
  cuMemGetInfo_v2: ["memory", "memory"],
  cuModuleLoadData: ["memory", "memory"],
  cuModuleUnload: ["handle"],
  cuModuleGetFunction: ["memory", "handle", "text"],
  cuFuncSetAttribute: ["handle", "int", "int"],
  cuOccupancyMaxActiveBlocksPerMultiprocessor: ["memory", "handle", "int", "size"],
  // clusters, function, CUlaunchConfig
  cuOccupancyMaxActiveClusters: ["memory", "handle", "memory"],
  cuMemAlloc_v2: ["memory", "size"],
  cuMemFree_v2: ["device"],
  cuMemHostAlloc: ["memory", "size", "uint"],
  cuMemFreeHost: ["handle"],
  cuMemcpyHtoDAsync_v2: ["device", "memory", "size", "handle"],
  cuMemcpyDtoHAsync_v2: ["memory", "device", "size", "handle"],
  cuMemsetD32Async: ["device", "uint", "size", "handle"],
  cuStreamCreate: ["memory", "uint"],
  cuStreamDestroy_v2: ["handle"],
  cuStreamSynchronize: ["handle"],
  cuStreamBeginCapture_v2: ["handle", "int"],
  cuStreamEndCapture: ["handle", "memory"],
  cuGraphInstantiateWithFlags: ["memory", "handle", "device"],
  cuGraphLaunch: ["handle", "handle"],
  cuGraphExecDestroy: ["handle"],
  cuGraphDestroy: ["handle"],
  // function, grid, block, dynamic shared memory, stream, parameters, extra
  cuLaunchKernel: [
    "handle",
    "uint",
    "uint",
    "uint",
    "uint",
    "uint",
    "uint",
    "uint",
    "handle",
    "handle",
    "handle",
  ],
  cuEventCreate: ["memory", "uint"],
  cuEventRecord: ["handle", "handle"],
  cuEventSynchronize: ["handle"],
  cuEventElapsedTime: ["memory", "handle", "handle"],
  cuEventDestroy_v2: ["handle"],
  // map, data type, rank, address, sizes, strides, box, element strides, interleave, swizzle, L2 promotion, fill
  cuTensorMapEncodeTiled: [
    "handle",
    "int",
    "uint",
    "device",
    "memory",
    "memory",
    "memory",
    "memory",
    "int",
    "int",
    "int",
    "int",
  ],
} as const satisfies Readonly<Record<string, readonly Parameter[]>>;

export type Parameter = "int" | "uint" | "size" | "device" | "handle" | "memory" | "text";
export type CallName = keyof typeof CALLS;

/** Host memory: an array, or the address of memory that the driver allocated. */
export type HostMemory = ArrayBufferView | bigint;

interface Arguments {
  readonly int: number;
  readonly uint: number;
  readonly size: number;
  readonly device: bigint;
  readonly handle: bigint | null;
  readonly memory: HostMemory;
  readonly text: string;
}

type ArgumentsOf<P extends readonly Parameter[]> = { readonly [I in keyof P]: Arguments[P[I]] };

/** The arguments that a call takes. */
export type CallArguments<N extends CallName> = ArgumentsOf<(typeof CALLS)[N]>;

/** C types as koffi spells them. */
export const C_TYPES: Readonly<Record<Parameter, string>> = {
  int: "int",
  uint: "unsigned int",
  size: "size_t",
  device: "uint64_t",
  handle: "void *",
  memory: "void *",
  text: "str",
};

export const CUDA_SUCCESS = 0;
export const CUDA_ERROR_OUT_OF_MEMORY = 2;
export const CUDA_ERROR_NO_DEVICE = 100;
export const CUDA_ERROR_INVALID_IMAGE = 200;
export const CUDA_ERROR_INVALID_CONTEXT = 201;
export const CUDA_ERROR_INVALID_HANDLE = 400;
export const CUDA_ERROR_NO_BINARY_FOR_GPU = 209;
export const CUDA_ERROR_INVALID_PTX = 218;
export const CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222;

/** CUdevice_attribute */
export const DEVICE_ATTRIBUTE = {
  multiprocessors: 16,
  major: 75,
  minor: 76,
  sharedMemoryPerBlock: 97,
} as const;

/** CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES */
export const FUNCTION_DYNAMIC_SHARED_BYTES = 8;
/** CU_EVENT_DEFAULT, CU_EVENT_DISABLE_TIMING */
export const EVENT_TIMING = 0;
export const EVENT_NO_TIMING = 2;
/** CU_STREAM_NON_BLOCKING */
export const STREAM_NON_BLOCKING = 1;
/** CU_STREAM_CAPTURE_MODE_THREAD_LOCAL */
export const CAPTURE_THREAD_LOCAL = 1;
