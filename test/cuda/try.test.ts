import { gemmSuite } from "../support/gemm-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";

gemmSuite(cudaDevices("sm_90a"));
gemmSuite(cudaDevices("sm_75"));
