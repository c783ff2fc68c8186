import { cudaDevices } from "../support/kernel-devices.js";
import { narrowSuite } from "../support/narrow-suite.js";

narrowSuite(cudaDevices());
