import { programError } from "../program/error.js";
import type { Kernel, Language } from "../program/program.js";
import { signatureOf } from "./contract/family.js";
import { languageOf } from "./contract/language.js";
import { cudaLaunchOf } from "./cuda-launch.js";
import { contractOf } from "./index.js";

/**
 * Checks a kernel's record against what its family's code is made to: its signature, its language, how it is launched.
 * Throws TRITC_E_PROGRAM.
 */
export function verifyKernel(kernel: Kernel, language: Language): void {
  const place = `kernel ${kernel.id}`;
  const contract = contractOf(kernel);
  if (contract === undefined) {
    throw programError(place, "there is no such family of kernels", { found: kernel.family });
  }
  const { args, scalars } = signatureOf(contract);
  expectSame(place, "arguments", args, kernel.args);
  expectSame(place, "scalars", scalars, kernel.scalars);
  if (languageOf(kernel) !== language) {
    throw programError(place, "it is written in another language than the target's", {
      expected: language,
      found: languageOf(kernel),
    });
  }
  if (language !== "cuda") return;
  const launch = cudaLaunchOf(kernel);
  if (launch === undefined) {
    throw programError(place, "there is no such kernel for what it needs", {
      found: kernel.features.join(", "),
    });
  }
  const { threads, ...shape } = launch;
  expectSame(place, "threads", [threads, 1, 1], kernel.workgroup);
  for (const [name, expected] of Object.entries(shape)) {
    expectSame(place, name, expected, kernel.cuda?.[name as keyof typeof shape]);
  }
}

function expectSame(place: string, what: string, expected: unknown, found: unknown): void {
  const [a, b] = [canonical(expected), canonical(found)];
  if (a === b) return;
  throw programError(place, `its ${what} are not those of its family`, { expected: a, found: b });
}

/** JSON with members in alphabetical order. */
function canonical(value: unknown): string {
  const sorted = (_: string, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([x], [y]) => (x < y ? -1 : 1)))
      : member;
  return JSON.stringify(value, sorted) ?? "nothing";
}
