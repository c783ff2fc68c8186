/**
 * Bundles whose structure was changed, hashes made right again: each is refused with a TritcError, or computes to the bit
 * what the original does, between guard areas and whatever memory held before. `FUZZ_CASES` and `FUZZ_SEED` make it more.
 *
 * Left out are changes of what a program means, which no reader can tell from another model: the bytes of tensors, the
 * code of kernels, and, among changes of structure, those that `MEANING` names.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { createCpuDevice } from "../../runtime/cpu/device.js";
import { makeFixture } from "../cli/fixture.js";
import { campaign, type Finding } from "../support/bundle-fuzz/campaign.js";
import { readFiles } from "../support/bundle-fuzz/harness.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-bundles-"));
const paths = { bundle: "", inputs: "" };
beforeAll(async () => {
  const fixture = await makeFixture(folder);
  Object.assign(paths, { bundle: fixture.bundle, inputs: fixture.bundleInputs });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }), 60_000);

const CASES = Number(process.env.FUZZ_CASES ?? 300);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

/**
 * Which of the elements that were written a launch reads, which of the kernels with one signature and size it runs, and
 * in which order launches do what each may do.
 */
const MEANING = /^phases(\.\d+)?(\.launches(\.\d+)?(\.(kernel|args|scalars)\b.*)?)?$/;

/** Whether a change is one of meaning: other results follow from what the program says. */
function isMeaning({ mutations, outcome }: Finding): boolean {
  return outcome.kind === "other" && mutations.some(({ path }) => MEANING.test(path.join(".")));
}

it(
  `of ${CASES} changed bundles none is wrong, none leaves its memory`,
  async () => {
    const inputs = parseSafetensors(readFileSync(paths.inputs), paths.inputs);
    const device = await createCpuDevice();
    const found = await campaign(readFiles(paths.bundle), device, inputs, SEED, CASES);
    await device.close();
    if (process.env.FUZZ_CASES !== undefined) {
      console.log(JSON.stringify({ ...found, codes: [...found.codes], findings: found.findings }, null, 1));
    }
    expect(found.findings.filter((finding) => !isMeaning(finding))).toEqual([]);
    expect(found.counts.refused).toBeGreaterThan(CASES / 2);
    expect(found.counts.equal).toBeGreaterThan(0);
  },
  Math.max(600_000, 1000 * CASES),
);
