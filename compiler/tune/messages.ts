import type { Program } from "../../ir/program/program.js";
import type { OpenDeviceOptions } from "../../runtime/node/open-device.js";
import type { CaseProgram } from "./case-program.js";

/** Code of a kernel as devices take it: source for WebGPU, a module elsewhere. */
export interface CaseCode {
  readonly source: string;
  readonly binary: Uint8Array | null;
}

/** A device as tuning sees it. */
export interface OpenedDevice {
  /** What its driver calls it. */
  readonly description: string;
  /** Which of the target's kinds of devices it is; -1: none. */
  readonly kind: number;
  /** What it has besides, of what kernels may profit from (`EXTRA_FEATURES`). */
  readonly features: readonly string[];
}

/** What the process that measures is asked, one call after the other. */
export interface MeasuringCalls {
  /** Opens the device of a target. */
  open(target: Program["target"], options: OpenDeviceOptions): OpenedDevice;
  /** Loads a program and runs it once; returns the SHA-256 of what it leaves in its results. */
  load(key: string, made: CaseProgram, code: CaseCode): string;
  /** The SHA-256 of what a loaded program has left in its results. */
  results(key: string): string;
  /** Runs a loaded program so often and returns the seconds of each run. */
  time(key: string, runs: number): readonly number[];
  /** Frees a program. */
  free(key: string): null;
}
