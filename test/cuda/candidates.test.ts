/**
 * Configs of CUDA kernels on the emulator: results are those of the cpu target's kernels, to the bit where they are integers or
 * exact, and configs that add in the same order leave the same bits. A run of the suite takes few, in which every value of each
 * dimension of each form occurs. `CANDIDATES=sm_80,sm_90a` takes all of these architectures, and says what it saw;
 * `CANDIDATES_OF='heads of 128: hopper'` those alone that match, of "family, problem: variant numbers".
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KernelConfig } from "../../ir/program/program.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import type { Architecture } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { CandidateCheck, candidatesOf } from "../support/candidates/check.js";
import { coveringOf } from "../support/candidates/covering.js";
import { checkedBy } from "../support/candidates/expected.js";
import { PROBLEMS } from "../support/candidates/problems.js";
import { cudaDevices } from "../support/kernel-devices.js";

const ALL = process.env.CANDIDATES?.split(",");
const ONLY = new RegExp(process.env.CANDIDATES_OF ?? "");
const ARCHITECTURES = (ALL ?? ["sm_90a", "sm_80", "sm_75"]) as readonly Architecture[];
const MINUTES = ALL === undefined ? 3 : 600;

let reference: Device;
beforeAll(async () => {
  reference = await createNodeCpuDevice({ threads: 1 });
});
afterAll(() => reference.close());

const seen = new Set<string>();

/**
 * Those of a run of the suite: some for each problem, so that each family has one and all values of each variant's numbers occur,
 * on whatever architecture.
 */
function sampled(configs: readonly KernelConfig[], family: string): readonly KernelConfig[] {
  return coveringOf(configs, 1).filter(({ variant, ...numbers }) => {
    const members = Object.entries(numbers).map(([name, value]) => `${variant} ${name}=${value}`);
    const isNew = [family, ...members].some((member) => !seen.has(member));
    for (const member of [family, ...members]) seen.add(member);
    return isNew;
  });
}

describe.each(ARCHITECTURES)("%s", (architecture) => {
  const kernelDevices = cudaDevices(architecture, ["shuffled"]);

  it.each(PROBLEMS)(
    "$problem.family, $name",
    async ({ name, problem, tolerance }) => {
      const { target, devices } = kernelDevices;
      const [device = expect.fail()] = Object.values(devices());
      const all = candidatesOf(problem, target);
      const configs = (ALL === undefined ? sampled(all, problem.family) : all).filter((config) =>
        ONLY.test(`${problem.family}, ${name}: ${keyOf(config)}`),
      );
      if (configs.length === 0) return;
      const check = new CandidateCheck(await checkedBy(reference, problem, tolerance), device, target);
      const faults: string[] = [];
      for (const config of configs) {
        const fault = await check.fault(config);
        if (fault !== undefined) faults.push(`${keyOf(config)}: ${fault}`);
      }
      if (ALL !== undefined) {
        const what = `${architecture} ${problem.family}, ${name}`;
        console.log(`${what}: ${configs.length} configs, ${faults.length} faults`);
      }
      expect(faults).toEqual([]);
    },
    MINUTES * 60_000,
  );
});
