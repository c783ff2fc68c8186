import { describe } from "vitest";
import { cudaGemmSuite } from "../support/cuda-gemm-suite.js";
import { gemmSuite } from "../support/gemm-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";

/** Around tiles of 128 channels by 128 tokens, blocks of 64 channels and 128 k, and rings of 2 or 3 stages. */
const SHAPES = [
  { m: 1, n: 64, k: 128 },
  { m: 130, n: 65, k: 33 },
  { m: 129, n: 200, k: 700 },
  { m: 65, n: 130, k: 264 },
] as const;

describe.each(["sm_86", "sm_75", "sm_70"] as const)("%s", (architecture) => {
  const kernelDevices = cudaDevices(architecture);
  gemmSuite(kernelDevices);
  cudaGemmSuite({ kernelDevices, shapes: SHAPES });
});
