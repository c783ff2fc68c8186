import { wgslDevices } from "../support/kernel-devices.js";
import { pictureSuite } from "../support/picture-suite.js";

pictureSuite(wgslDevices());
