import { describe } from "vitest";
import { groupGemmSuite } from "../support/group-gemm-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";

describe("sm_86: matrix instructions, and f32 without", () => {
  groupGemmSuite(cudaDevices("sm_86"), ["i8", "bf16", "f32"]);
});

describe("sm_70: dot products of four bytes, bf16 without matrix instructions", () => {
  groupGemmSuite(cudaDevices("sm_70", ["forward"]), ["i8", "bf16"]);
});

describe("sm_75: matrix instructions for int8", () => {
  groupGemmSuite(cudaDevices("sm_75", ["forward"]), ["i8"]);
});
