import type { Device } from "../../runtime/device.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { loadVulkanLoader, prepareSoftwareVulkan } from "../../runtime/node/software-adapter.js";
import { ATTENTION } from "./attention.js";
import { LINEARS } from "./linear.js";
import { measure } from "./measure.js";
import { PACKERS } from "./packers.js";
import { PASSES } from "./passes.js";
import { CONVOLUTIONS } from "./pictures.js";
import { type BenchResult, type MeasuredSubject, surroundings } from "./result.js";
import { SAMPLER } from "./sampler.js";
import type { BenchTarget, Subject } from "./subject.js";
import { UPDATES } from "./updates.js";

/** Everything that is measured. */
export const SUBJECTS: readonly Subject[] = [
  ...PASSES,
  ...PACKERS,
  ...LINEARS,
  ...ATTENTION,
  ...CONVOLUTIONS,
  ...SAMPLER,
  UPDATES,
];

export interface MeasureOptions {
  readonly target: BenchTarget;
  readonly threads: number;
  /** Milliseconds of each task. */
  readonly time: number;
  /** WebGPU: the software adapter even where there is a GPU. */
  readonly software: boolean;
  readonly onSubject?: (name: string, seconds: number) => void;
}

/** Measures subjects one after the other. */
export async function measureSubjects(
  subjects: readonly Subject[],
  { target, threads, time, software, onSubject }: MeasureOptions,
): Promise<BenchResult> {
  const around = surroundings();
  if (target === "webgpu" && software) await findSoftwareVulkan();
  let opened: Promise<Device> | undefined;
  const device = () => {
    opened ??= openDevice(target, { threads, software });
    return opened;
  };
  const measured: MeasuredSubject[] = [];
  try {
    for (const subject of subjects) {
      const begun = performance.now();
      const made = await subject.open({ target, threads, device });
      try {
        measured.push({ name: subject.name, tasks: await measure(made, time) });
      } finally {
        await made.close?.();
      }
      onSubject?.(subject.name, (performance.now() - begun) / 1000);
    }
    const { description = "none" } = (await opened) ?? {};
    return { ...around, target, device: description, threads, time, subjects: measured };
  } finally {
    await (await opened)?.close();
  }
}

/** ONNX Runtime has a Dawn of its own, which finds drivers as every Vulkan program does. */
async function findSoftwareVulkan(): Promise<void> {
  const { icd, loader } = await prepareSoftwareVulkan();
  await loadVulkanLoader(async () => loader);
  process.env.VK_ICD_FILENAMES = icd;
  process.env.VK_DRIVER_FILES = icd;
}
