import { TritcError } from "../../ir/errors.js";
import type { KernelSignature } from "../../ir/families/contract/family.js";
import type { Target } from "../../targets/target.js";
import type { Family } from "../families.js";
import type { KernelDefinition, TemplateValues } from "../family.js";
import { kernelRecord } from "../record.js";
import { type HeaderOptions, wgslHeader } from "./header.js";

export interface WgslKernel {
  readonly family: Family;
  readonly params: object;
  readonly signature: KernelSignature;
  readonly template: string;
  /** Rendered with `header` (see `wgslHeader`) and `workgroup` (invocations) besides these. */
  readonly values: TemplateValues;
  readonly header?: HeaderOptions;
  readonly workgroup: readonly [number, number, number];
  readonly tile: readonly [number, number, number];
  /** Bytes of `var<workgroup>` memory. */
  readonly workgroupBytes: number;
  readonly features?: readonly string[];
  readonly fallback?: KernelDefinition;
}

/** A definition of a WGSL kernel. Throws `TRITC_E_KERNEL_LIMIT` where its tile exceeds the target. */
export function defineWgsl(kernel: WgslKernel, target: Target): KernelDefinition {
  const { family, params, signature, workgroup } = kernel;
  const invocations = workgroup[0] * workgroup[1] * workgroup[2];
  const { limits } = target;
  checkLimit(kernel, target, "invocations", invocations, limits.maxWorkgroupInvocations);
  checkLimit(
    kernel,
    target,
    "bytes of workgroup memory",
    kernel.workgroupBytes,
    limits.maxWorkgroupStorageBytes,
  );
  return {
    kernel: kernelRecord(family, params, signature, { workgroup, features: kernel.features ?? [] }),
    language: "wgsl",
    template: kernel.template,
    values: { ...kernel.values, header: wgslHeader(signature, kernel.header) },
    tile: kernel.tile,
    fallback: kernel.fallback ?? null,
  };
}

function checkLimit(kernel: WgslKernel, target: Target, what: string, found: number, limit: number): void {
  if (found <= limit) return;
  throw new TritcError({
    code: "TRITC_E_KERNEL_LIMIT",
    message: `the ${kernel.family} kernel needs more ${what} than the target has`,
    place: `target ${target.name}, templates/${kernel.template}`,
    expected: `at most ${limit}`,
    found: `${found}`,
    remedy: "use a smaller tile",
  });
}

/** A tile size is a product of parts: throws a RangeError where the whole is no multiple. */
export function exactly(whole: number, part: number, what: string): number {
  if (whole % part !== 0) throw new RangeError(`${what}: ${whole} is not a multiple of ${part}`);
  return whole / part;
}
