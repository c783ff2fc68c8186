import type { KernelConfig, ParamRecord } from "../ir/program/program.js";
import type { Candidate } from "../templates/choice/consider.js";
import type { SelectedKernel } from "./lower/index.js";

/** Why a kernel is as it is, for one kind of device that takes it. */
export interface KernelChoice {
  readonly kernel: string;
  readonly family: string;
  readonly params: ParamRecord;
  /** Rows of its launches at the planned sizes, the most first; none where sizes are not known. */
  readonly rows: readonly number[];
  readonly device: string;
  readonly config: KernelConfig;
  readonly reason: string;
  /** All that were considered, in the order of the family's preference. */
  readonly candidates: readonly Candidate[];
}

export function choicesOf(kernels: readonly SelectedKernel[]): readonly KernelChoice[] {
  return kernels.flatMap(({ kernel: { id, family, params }, definition }) =>
    definition.choices.map(({ problem, config, reason, candidates }) => ({
      kernel: id,
      family,
      params,
      rows: problem.rows,
      device: problem.device.name,
      config,
      reason,
      candidates,
    })),
  );
}

/**
 * The choices as text: each kernel with its rows, then for the devices that take it the config and the others.
 *
 *   ternary-gemm-3072x9216-i8-bias, rows 4096, 512
 *     sm_80: int8-mma warpsC 4 … (the family's first of 2 that fit)
 *       int8-hopper consumers 2 …: needs sm_90a
 *       int8-dp4a stagedTokens 64: fits too
 */
export function printChoices(choices: readonly KernelChoice[]): string {
  const lines: string[] = [];
  let kernel: string | undefined;
  for (const [text, sharing] of grouped(choices)) {
    const [first] = sharing;
    if (first !== undefined && first.kernel !== kernel) {
      kernel = first.kernel;
      lines.push(`${kernel}, rows ${first.rows.join(", ") || "not known"}`);
    }
    lines.push(`  ${sharing.map(({ device }) => device).join(", ")}: ${text}`);
  }
  return lines.join("\n");
}

/** Choices by what there is to say of them: a kernel's for several devices may differ in nothing. */
function grouped(choices: readonly KernelChoice[]): Iterable<readonly [string, readonly KernelChoice[]]> {
  const groups = new Map<string, KernelChoice[]>();
  for (const choice of choices) {
    const key = `${choice.kernel} ${describe(choice)}`;
    groups.set(key, [...(groups.get(key) ?? []), choice]);
  }
  return [...groups.values()].map((sharing) => [
    sharing[0] === undefined ? "" : describe(sharing[0]),
    sharing,
  ]);
}

function describe({ config, reason, candidates }: KernelChoice): string {
  const others = candidates.filter((candidate) => candidate.config !== config);
  return [
    `${printConfig(config)} (${reason})`,
    ...others.map((other) => `    ${printConfig(other.config)}: ${other.rejected ?? "fits too"}`),
  ].join("\n");
}

function printConfig({ variant, ...numbers }: KernelConfig): string {
  return [variant, ...Object.entries(numbers).map(([name, value]) => `${name} ${value}`)].join(" ");
}
