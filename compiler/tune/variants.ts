import { FAMILIES } from "../../ir/families/index.js";
import type { Kernel, KernelConfig } from "../../ir/program/program.js";
import type { Target } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { defineKernel, type KernelDefinition } from "../../templates/index.js";
import { generateKernels } from "../codegen/generate-kernels.js";
import type { SelectedKernel } from "../lower/index.js";
import type { Case } from "./case-program.js";
import type { CaseCode } from "./messages.js";
import type { Subject } from "./subjects.js";

/** A candidate's code, made. */
export interface Variant {
  readonly config: KernelConfig;
  /** The kernel as a program has it. */
  readonly kernel: Case["kernel"];
  readonly tile: readonly [number, number, number];
  readonly code: CaseCode;
}

/** A kernel of a program as it is with another config, with its fallbacks. Throws TRITC_E_KERNEL where a device takes none. */
export function withConfig(
  { kernel, family, cases, device }: Subject,
  config: KernelConfig,
  target: Target,
): KernelDefinition {
  const params = FAMILIES[family].read(kernel);
  const rows = cases.map((counted) => counted.rows);
  return defineKernel(family, params as never, target, rows, (problem) =>
    problem.device.name === device.name ? config : undefined,
  );
}

/** The kernels of a chain by their names in a program: that of the first, and `-fallback` behind it for each other. */
export function namedChain(id: string, definition: KernelDefinition): readonly SelectedKernel[] {
  const { fallback } = definition;
  const behind = fallback === null ? [] : namedChain(`${id}-fallback`, fallback);
  const kernel: Kernel = { ...definition.kernel, id, fallback: behind[0]?.kernel.id ?? null };
  return [{ kernel, definition }, ...behind];
}

/** Makes the code of a candidate; undefined where a kernel that shares its grid has no such tile, or the compiler no registers for it. */
export async function makeVariant(
  subject: Subject,
  config: KernelConfig,
  target: Target,
  cache: string | undefined,
): Promise<Variant | undefined> {
  let chain: readonly SelectedKernel[];
  try {
    chain = namedChain(subject.kernel.id, withConfig(subject, config, target));
  } catch (error) {
    if (isOf(error, "TRITC_E_KERNEL")) return undefined;
    throw error;
  }
  const selected = chain.find(({ kernel }) => keyOf(kernel.config) === keyOf(config));
  if (selected === undefined) return undefined;
  const [made] = await generateKernels([selected], { target, cache }).catch((error: unknown) => {
    if (isOf(error, "TRITC_E_KERNEL_RESOURCES")) return [];
    throw error;
  });
  if (made === undefined) return undefined;
  const { source, binary } = made;
  return { config, kernel: selected.kernel, tile: selected.definition.tile, code: { source, binary } };
}

function isOf(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
