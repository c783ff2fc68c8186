import type { KernelSignature } from "../../ir/families/contract/family.js";
import type { DeviceDType, KernelArg } from "../../ir/program/program.js";
import { cudaArgumentBytes, cudaEntry } from "../../targets/cuda/abi.js";

const TYPES: Readonly<Record<DeviceDType, string>> = {
  f32: "float",
  f16: "unsigned short",
  bf16: "bf16",
  i32: "int",
  u32: "unsigned",
  i8: "signed char",
  u8: "unsigned char",
};

/** The element type of an argument in CUDA. */
export function cudaType(dtype: DeviceDType): string {
  return TYPES[dtype];
}

/** Arguments whose name is that of a CUDA function get another one in the source. */
const RENAMED: Readonly<Record<string, string>> = { cos: "cosines", sin: "sines" };

/** An argument's name in the source. */
export function cudaName(arg: Pick<KernelArg, "name">): string {
  return RENAMED[arg.name] ?? arg.name;
}

/**
 * What every CUDA kernel starts with: `struct Arguments` as `targets/cuda/abi.ts` has it, with an
 * `Operand<T> <name>` per argument, and the macro-free helpers of `cuda/operand.cuh` and `cuda/bf16.cuh`.
 */
export function cudaHeader(signature: KernelSignature): string {
  const { args, scalars } = signature;
  const operands = args.map(
    (arg) => `  Operand<${arg.access === "read" ? "const " : ""}${TYPES[arg.dtype]}> ${cudaName(arg)};`,
  );
  const bytes = cudaArgumentBytes(signature);
  return [
    '#include "cuda/operand.cuh"',
    '#include "cuda/bf16.cuh"',
    "",
    "struct Arguments {",
    "  unsigned rows;",
    "  unsigned reserved;",
    "  const unsigned* step;",
    ...operands,
    ...(scalars.length > 0 ? [`  unsigned scalars[${scalars.length}];`] : []),
    "};",
    `static_assert(sizeof(Arguments) == ${bytes}, "Arguments is laid out as the runtime fills it");`,
  ].join("\n");
}

/** `extern "C"` name of a family's kernels. */
export function entryName(family: string): string {
  return cudaEntry({ family });
}
