import { termsSuite } from "../support/attention-suite.js";
import { wasmDevices } from "../support/kernel-devices.js";

termsSuite(wasmDevices());
