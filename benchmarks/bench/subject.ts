import type { Device } from "../../runtime/device.js";

/** Targets whose kernels have a peer in Node. */
export const TARGETS = ["cpu", "webgpu"] as const;
export type BenchTarget = (typeof TARGETS)[number];

/** What subjects are opened with. */
export interface BenchContext {
  readonly target: BenchTarget;
  /** Of our kernels, and of ONNX Runtime. */
  readonly threads: number;
  /** The device of the target, opened when it is first asked for. */
  device(): Promise<Device>;
}

/** Work of one kind that can be done in several ways. */
export interface Subject {
  /** Its group first: `kernels/ternary-gemm 28 x 256 x 768`. */
  readonly name: string;
  open(context: BenchContext): Promise<Opened>;
}

export interface Opened {
  readonly tasks: readonly Task[];
  close?(): Promise<void>;
}

/** One way of doing a subject's work. */
export interface Task {
  readonly name: string;
  /** Whether it is somebody else's way, or a floor; the first such one of a subject is what the others are held against. */
  readonly isPeer?: boolean;
  run(): unknown;
  /** What it computes, where results can be compared; read once. */
  result?(): Promise<ArrayLike<number>>;
  /** The largest difference to the peer's result that is right, relative to its norm. */
  readonly tolerance?: number;
}
