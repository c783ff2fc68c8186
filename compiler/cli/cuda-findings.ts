import { TritcError } from "../../ir/errors.js";
import type { SurveyedDevice } from "../../runtime/node/cuda/survey.js";
import { TARGETS } from "../../targets/index.js";
import { findToolkit } from "../codegen/nvcc/toolkit.js";
import { formatBytes } from "../units.js";
import { type Finding, missing } from "./finding.js";

/** The NVIDIA driver and each GPU that it lists. */
export async function cudaDevices(): Promise<readonly Finding[]> {
  const name = "CUDA driver";
  try {
    const { surveyCuda } = await import("../../runtime/node/cuda/survey.js");
    const { driverVersion, devices } = await surveyCuda();
    const detail = `supports CUDA ${driverVersion}`;
    if (devices.length === 0) {
      const remedy = "check nvidia-smi and CUDA_VISIBLE_DEVICES";
      return [{ name, ok: false, detail: `${detail}, finds no GPU`, remedy }];
    }
    return [{ name, ok: true, detail }, ...devices.map(deviceFinding)];
  } catch (error) {
    return [missing(name, error)];
  }
}

function deviceFinding(device: SurveyedDevice): Finding {
  const { ordinal, major, minor, multiprocessors, memoryBytes, freeBytes, target } = device;
  const parts = [
    device.name,
    `compute capability ${major}.${minor}`,
    `${multiprocessors} multiprocessors`,
    `${formatBytes(memoryBytes)} memory, ${formatBytes(freeBytes)} free`,
  ];
  const name = `CUDA device ${ordinal}`;
  return target === null
    ? {
        name,
        ok: false,
        detail: `${parts.join(", ")}; no target has kernels for it`,
        remedy: "use the targets webgpu or cpu",
      }
    : { name, ok: true, detail: `${parts.join(", ")}; target ${target}` };
}

/** Each nvcc that makes binaries, with the targets that it makes them for, and the targets that none does. */
export async function cudaToolkits(): Promise<readonly Finding[]> {
  const name = "CUDA toolkit (nvcc)";
  const builds = new Map<string, string[]>();
  const refused: Finding[] = [];
  for (const target of TARGETS) {
    if (target.cuda === undefined) continue;
    try {
      const { nvcc, version } = await findToolkit(target.cuda.architectures, `target ${target.name}`);
      const key = `${version} at ${nvcc}`;
      builds.set(key, [...(builds.get(key) ?? []), target.name]);
    } catch (error) {
      // Without any nvcc every target says the same.
      if (error instanceof TritcError && error.code === "TRITC_E_NVCC") return [missing(name, error)];
      refused.push(missing(`${name} for ${target.name}`, error));
    }
  }
  const found = [...builds].map(
    ([toolkit, targets]): Finding => ({ name, ok: true, detail: `${toolkit}: ${targets.join(", ")}` }),
  );
  return [...found, ...refused];
}
