import { termsSuite } from "../support/attention-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";

const volta = cudaDevices("sm_70");
termsSuite(volta);
termsSuite(volta, "bf16");
