import { denseSuite } from "../support/dense-suite.js";
import { gemmSuite } from "../support/gemm-suite.js";
import { groupGemmSuite } from "../support/group-gemm-suite.js";
import { wgslDevices } from "../support/kernel-devices.js";

const wgsl = wgslDevices();
gemmSuite(wgsl);
denseSuite(wgsl);
groupGemmSuite(wgsl);
