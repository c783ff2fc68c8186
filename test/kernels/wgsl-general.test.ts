import { generalSuite } from "../support/general-suite.js";
import { wgslDevices } from "../support/kernel-devices.js";

generalSuite(wgslDevices());
