import { wgslDevices } from "../support/kernel-devices.js";
import { rowSuite } from "../support/row-suite.js";

rowSuite(wgslDevices());
