import { gemmSuite } from "../support/gemm-suite.js";
import { wgslDevices } from "../support/kernel-devices.js";

gemmSuite(wgslDevices());
