import { describe } from "vitest";
import { cudaGemmSuite } from "../support/cuda-gemm-suite.js";
import { gemmSuite } from "../support/gemm-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";

/** Around tiles of 128 channels by 128 tokens, blocks of 64 channels and 128 k, and rings of 3 stages of 128 bytes. */
const SHAPES = [
  { m: 1, n: 64, k: 128 },
  { m: 130, n: 65, k: 33 },
  { m: 129, n: 200, k: 700 },
  { m: 65, n: 130, k: 264 },
  // More rows of tiles than blocks go down before they turn to the next column.
  { m: 1100, n: 132, k: 24 },
] as const;

describe("sm_86: matrix instructions for both, and floats without", () => {
  const kernelDevices = cudaDevices("sm_86");
  gemmSuite(kernelDevices);
  cudaGemmSuite({ kernelDevices, shapes: SHAPES });
});

describe("sm_75: matrix instructions for int8, bf16 without", () => {
  cudaGemmSuite({ kernelDevices: cudaDevices("sm_75"), shapes: SHAPES.slice(1) });
});

describe("sm_70: dot products of four bytes", () => {
  cudaGemmSuite({ kernelDevices: cudaDevices("sm_70"), shapes: SHAPES.slice(1, 4), activations: ["i8"] });
});
