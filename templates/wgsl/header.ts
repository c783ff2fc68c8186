import { TritcError } from "../../ir/errors.js";
import type { KernelSignature } from "../../ir/families/contract/family.js";
import type { DeviceDType, KernelArg } from "../../ir/program/program.js";
import { uniformArgs, WGSL_UNIFORM_BYTES } from "../../targets/webgpu/abi.js";

/** How an argument's elements lie in WGSL: bytes are packed four to a word. */
const ELEMENTS: Readonly<Record<DeviceDType, { readonly type: string; readonly perElement: number }>> = {
  f32: { type: "f32", perElement: 1 },
  i32: { type: "i32", perElement: 1 },
  u32: { type: "u32", perElement: 1 },
  f16: { type: "f16", perElement: 1 },
  bf16: { type: "u32", perElement: 2 },
  i8: { type: "u32", perElement: 4 },
  u8: { type: "u32", perElement: 4 },
};

export interface HeaderOptions {
  /** Arguments declared as arrays of another element type, such as `vec4<f32>` for weights in a device layout. */
  readonly elements?: Readonly<Record<string, string>>;
  /** Elements of the arguments that may have to be uniform. */
  readonly lengths?: Readonly<Record<string, number>>;
  /** Other names in WGSL for arguments whose own name is that of a built-in function. */
  readonly names?: Readonly<Record<string, string>>;
}

/**
 * The declarations every WGSL kernel starts with: its bindings and, for each argument `x`,
 *   xRow(m)  index of the first element of row m (for bytes: of the word that holds it)
 *   xAt(i)   element i, for arguments of 32-bit elements that are only read
 * and `rows()`, `scalar(j)` for the launch's words [rows, offset₀, stride₀, …, scalar₀, …].
 */
export function wgslHeader(signature: KernelSignature, options: HeaderOptions = {}): string {
  const { args, scalars } = signature;
  const uniform = uniformArgs(args);
  const vectors = Math.ceil((1 + 2 * args.length + scalars.length) / 4);
  const lines = args.flatMap((arg, i) => declareArgument(arg, i, uniform.has(i), options));
  return [
    ...lines,
    `@group(0) @binding(${args.length}) var<uniform> words: array<vec4<u32>, ${vectors}>;`,
    "fn rows() -> u32 { return words[0].x; }",
    `fn scalar(j: u32) -> u32 { return words[(j + ${1 + 2 * args.length}u) >> 2u][(j + ${1 + 2 * args.length}u) & 3u]; }`,
  ].join("\n");
}

function declareArgument(
  arg: KernelArg,
  index: number,
  uniform: boolean,
  options: HeaderOptions,
): readonly string[] {
  const { dtype, access } = arg;
  const name = options.names?.[arg.name] ?? arg.name;
  const { type, perElement } = ELEMENTS[dtype];
  const element = options.elements?.[arg.name] ?? type;
  const word = (i: number) => `words[${Math.floor(i / 4)}].${"xyzw"[i % 4]}`;
  const [offset, stride] = [word(1 + 2 * index), word(2 + 2 * index)];
  const row =
    perElement === 4
      ? `fn ${name}Row(m: u32) -> u32 { return (${offset} >> 2u) + m * (${stride} >> 2u); }`
      : `fn ${name}Row(m: u32) -> u32 { return ${offset} + m * ${stride}; }`;
  const binding = `@group(0) @binding(${index})`;
  if (uniform) {
    const length = uniformLength(arg.name, options);
    return [
      `${binding} var<uniform> ${name}: array<vec4<f32>, ${Math.ceil(length / 4)}>;`,
      row,
      `fn ${name}At(i: u32) -> f32 { return ${name}[i >> 2u][i & 3u]; }`,
    ];
  }
  const mode = access === "read" ? "read" : "read_write";
  return [
    `${binding} var<storage, ${mode}> ${name}: array<${element}>;`,
    row,
    ...(access === "read" ? [`fn ${name}At(i: u32) -> ${element} { return ${name}[i]; }`] : []),
  ];
}

function uniformLength(name: string, options: HeaderOptions): number {
  const length = options.lengths?.[name];
  if (length === undefined || length * 4 > WGSL_UNIFORM_BYTES) {
    throw new TritcError({
      code: "TRITC_E_KERNEL_LIMIT",
      message: `a WGSL kernel has more arguments than storage buffers, and ${name} does not fit a uniform buffer`,
      expected: `at most ${WGSL_UNIFORM_BYTES / 4} elements`,
      found: `${length ?? "an unknown number"}`,
      remedy: "keep the gate out of this layer's kernel",
    });
  }
  return length;
}
