/** What records of another bundle say of a kernel, as far as it counts. */
import { expect, it } from "vitest";
import { knownOf } from "../../compiler/tune/results.js";
import type { SearchContext } from "../../compiler/tune/search-context.js";
import type { Subject } from "../../compiler/tune/subjects.js";
import type { Variant } from "../../compiler/tune/variants.js";
import { type Finding, hashOf, problemKey, Records } from "../../compiler/tuning/records.js";
import type { KernelConfig } from "../../ir/program/program.js";

const present = { variant: "flash", keys: 64, rows: 1 };
const candidate = { variant: "flash", keys: 64, rows: 2 };
const otherOrder = { variant: "flash", keys: 32, rows: 2 };
const kernel = { id: "k", family: "attention", params: {} };
const subject = {
  kernel,
  present,
  of: { name: "transformer" },
  family: "attention",
  cases: [{ rows: 16 }],
  candidates: [candidate],
} as unknown as Subject;

async function known(config: KernelConfig) {
  const finding: Finding = {
    kind: "chosen",
    ...{ device: "this one", deviceKind: "any", kernel: problemKey(kernel), rows: [16], config },
    ...{ code: hashOf(JSON.stringify(config)), before: 2, after: 1, spread: 0, tried: 1, candidates: 1 },
  };
  const variant: SearchContext["variant"] = async (_, made) =>
    ({ config: made, code: { source: JSON.stringify(made), binary: null } }) as Variant;
  const context = { device: "this one", records: new Records([finding]), variant };
  return knownOf(subject, context, { budget: 1, again: false });
}

it("a finding counts where its config is a candidate, or is there, and not where it leaves other bits", async () => {
  expect((await known(candidate))?.config).toEqual(candidate);
  expect((await known(present))?.config).toEqual(present);
  expect(await known(otherOrder)).toBeUndefined();
});
