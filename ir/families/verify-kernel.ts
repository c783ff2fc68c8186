import { canonicalJson } from "../format/canonical.js";
import { programError } from "../program/error.js";
import type { Kernel, Language } from "../program/program.js";
import { signatureOf } from "./contract/family.js";
import { languageOf } from "./contract/language.js";
import { contractOf, FAMILIES, isFamily } from "./index.js";
import { type Forms, faultOf, type LaunchShape, launchOf, needsOf } from "./launch/form.js";

/**
 * Checks a kernel's record against what its family's code is made to: its signature, its language, its config, what it
 * needs and how it is launched, which it gives. Throws TRITC_E_PROGRAM.
 */
export function verifyKernel(kernel: Kernel, language: Language): LaunchShape {
  const place = `kernel ${kernel.id}`;
  const contract = contractOf(kernel);
  if (contract === undefined || !isFamily(kernel.family)) {
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
  const { forms, read, assumes } = FAMILIES[kernel.family];
  const params = read(kernel) as never;
  const needs = [...needsOf(forms[language], kernel.config), ...assumes(params)];
  const lacking = needs.find((feature) => !kernel.features.includes(feature));
  if (lacking !== undefined) {
    throw programError(place, "it does not say what it needs", {
      expected: lacking,
      found: kernel.features.join(", ") || "nothing",
    });
  }
  return verifyLaunch<unknown>(kernel, forms[language], params, place);
}

function verifyLaunch<P>(kernel: Kernel, forms: Forms<P>, params: P, place: string): LaunchShape {
  const fault = faultOf(forms, params, kernel.config);
  if (fault !== undefined) {
    const found = `${fault}, in ${JSON.stringify(kernel.config)}`;
    throw programError(place, "there is no kernel of its family with its config", { found });
  }
  const shape = launchOf(forms, params, kernel.config);
  const { workgroup, ...cuda } = shape;
  expectSame(place, "threads", workgroup, kernel.workgroup);
  if (kernel.cuda !== null) {
    for (const name of ["sharedBytes", "tile", "persistent", "tensorMaps"] as const)
      expectSame(place, name, cuda[name], kernel.cuda[name]);
    expectSame(place, "blocks of a cluster", cuda.cluster, kernel.cuda.cluster ?? 1);
  }
  return shape;
}

function expectSame(place: string, what: string, expected: unknown, found: unknown): void {
  const [a, b] = [canonicalJson(expected), canonicalJson(found)];
  if (a === b) return;
  throw programError(place, `its ${what} are not those of its family`, { expected: a, found: b });
}
