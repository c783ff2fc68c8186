import {
  ARCHITECTURE_SOURCE,
  ARCHITECTURES,
  type Architecture,
  FIRST_TOOLKIT,
  INSTRUCTION_SOURCE,
  TARGETS,
  type Target,
  TOOLKIT_SOURCE,
} from "../../../targets/index.js";
import { formatBytes, formatCount } from "../../units.js";
import type { CommonOptions } from "../options.js";
import { Terminal, table } from "../terminal.js";

type Row = readonly (string | number)[];

export async function listTargets(options: CommonOptions): Promise<void> {
  const tables = [targetRows(), gpuRows(), architectureRows()].map(table);
  const text = [
    ...tables,
    `CUDA kernels take a toolkit of ${FIRST_TOOLKIT} or newer. \`--json\` says where each number comes from, and what it leaves out.`,
  ];
  new Terminal(options).result(TARGETS.map(withArchitectures), text.join("\n\n"));
}

/** A target with the facts of its architectures in place of their names. */
function withArchitectures(target: Target): object {
  if (target.cuda === undefined) return target;
  const architectures = target.cuda.architectures.map((name) => ({ name, ...ARCHITECTURES[name] }));
  const sources = { sizes: ARCHITECTURE_SOURCE, toolkits: TOOLKIT_SOURCE, instructions: INSTRUCTION_SOURCE };
  return { ...target, cuda: { ...target.cuda, architectures, sources } };
}

function targetRows(): readonly Row[] {
  return [
    ["target", "kernels", "buffer", "binding", "activations", "summary"],
    ...TARGETS.map((t) => [
      t.name,
      t.language,
      formatBytes(t.limits.maxBufferBytes),
      formatBytes(t.limits.maxBindingBytes),
      t.activations.join(", "),
      t.summary,
    ]),
  ];
}

function gpuRows(): readonly Row[] {
  const known = (value: number | null, format: (n: number) => string) =>
    value === null ? "-" : format(value);
  return [
    ["target", "GPU", "SMs", "L2", "memory", "bandwidth", "bf16 TFLOP/s", "int8 TOP/s"],
    ...TARGETS.flatMap(({ name, cuda }) => {
      const gpu = cuda?.gpu;
      if (gpu == null) return [];
      return [
        [
          name,
          gpu.model,
          known(gpu.sms, String),
          known(gpu.l2Bytes, mebibytes),
          `${gpu.memoryBytes / 2 ** 30} GiB`,
          `${formatBytes(gpu.memoryBandwidth)}/s`,
          known(gpu.bf16Tflops, String),
          known(gpu.int8Tops, String),
        ],
      ];
    }),
  ];
}

function architectureRows(): readonly Row[] {
  const used = new Set(TARGETS.flatMap(({ cuda }) => cuda?.architectures ?? []));
  const names = (Object.keys(ARCHITECTURES) as Architecture[]).filter((name) => used.has(name));
  return [
    [
      "architecture",
      "capability",
      "CUDA toolkit",
      "shared/block",
      "shared/SM",
      "registers/SM",
      "matrix instructions",
    ],
    ...names.map((name) => {
      const facts = ARCHITECTURES[name];
      const { first, last } = facts.toolkit;
      return [
        name,
        facts.computeCapability.join("."),
        last === null ? `${first} or newer` : `${first} to ${last}`,
        kibibytes(facts.sharedBytesPerBlock),
        kibibytes(facts.sharedBytesPerSm),
        formatCount(facts.registersPerSm),
        facts.matrixInstructions.slice(0, 2).join(", "),
      ];
    }),
  ];
}

const kibibytes = (n: number) => `${n / 2 ** 10} KiB`;
const mebibytes = (n: number) => `${n / 2 ** 20} MiB`;
