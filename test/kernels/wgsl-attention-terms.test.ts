import { termsSuite } from "../support/attention-suite.js";
import { wgslDevices } from "../support/kernel-devices.js";

termsSuite(wgslDevices());
