import { printId, printShape } from "../graph/print.js";
import type {
  BufferStorage,
  Kernel,
  KernelArg,
  Launch,
  LaunchArg,
  Program,
  ProgramBuffer,
  ProgramPort,
} from "./program.js";

/**
 * Text form of a program for people; `parseProgramText` in `parse.ts` reads it back to an equal program.
 *
 *   program "cpu" {
 *     symbols img_tokens, steps
 *     buffer %x: f32[64*img_tokens] host
 *     buffer %w: u32[4096] resident
 *     buffer %y: f32[256*img_tokens] arena(0)
 *     kernel %gemm: dense-gemm(x: read f32 rows, weights: read f32, out: write f32 rows) {"n": 256, "k": 64} config {"variant": "float"}
 *     input "hidden_states" latents: f32[1, img_tokens, 64] in %x batch 0
 *     output "velocity": f32[1, img_tokens, 256] in %y
 *     phase "step" runs step writes arena {
 *       "img_in": %gemm(%x[0; 64; 0], %w[0; 0; 0], %y[0; 256; 0]) rows img_tokens grid 256/8, img_tokens/4
 *     }
 *   }
 *
 * A launch argument is buffer[offset; row stride; step stride] in elements; a grid axis is size/tile.
 */
export function printProgramText(program: Program): string {
  const { target, symbols, buffers, kernels, phases, inputs, outputs, model } = program;
  const lines = [`program ${JSON.stringify(target)} {`];
  if (symbols.length > 0) lines.push(`  symbols ${symbols.join(", ")}`);
  if (model !== null) lines.push(`  model ${JSON.stringify(model)}`);
  for (const buffer of buffers) lines.push(`  buffer ${printBuffer(buffer)}`);
  for (const kernel of kernels) lines.push(`  kernel ${printKernel(kernel)}`);
  for (const port of inputs) lines.push(`  input ${printPort(port)}`);
  for (const port of outputs) lines.push(`  output ${printPort(port)}`);
  for (const { name, runs, writes, launches } of phases) {
    const written = writes.length === 0 ? "" : ` writes ${writes.join(", ")}`;
    const head = `phase ${JSON.stringify(name)} runs ${runs}${written}`;
    lines.push(`  ${head} {`, ...launches.map((launch) => `    ${printLaunch(launch)}`), "  }");
  }
  return [...lines, "}"].join("\n");
}

function printBuffer({ id, dtype, elements, storage }: ProgramBuffer): string {
  return `${printId(id)}: ${dtype}[${elements}] ${printStorage(storage)}`;
}

function printStorage(storage: BufferStorage): string {
  if (storage.kind === "arena") return `arena(${storage.slot})`;
  return "tensor" in storage ? `${storage.kind}(${JSON.stringify(storage.tensor)})` : storage.kind;
}

/** Scalars follow the arguments; workgroup, features and fallback are left out where there are none. */
function printKernel({
  id,
  family,
  params,
  config,
  args,
  scalars,
  workgroup,
  features,
  fallback,
  cuda,
}: Kernel): string {
  const words = [`${printId(id)}: ${family}(${[...args.map(printKernelArg), ...scalars].join(", ")})`];
  if (Object.keys(params).length > 0) words.push(printParams(params));
  words.push(`config ${printParams(config)}`);
  if (workgroup.some((size) => size !== 1)) words.push(`workgroup ${printShape(workgroup)}`);
  if (features.length > 0) words.push(`needs ${features.map((f) => JSON.stringify(f)).join(", ")}`);
  if (fallback !== null) words.push(`else ${printId(fallback)}`);
  if (cuda !== null) words.push(`cuda ${JSON.stringify(cuda)}`);
  return words.join(" ");
}

function printKernelArg({ name, dtype, access, byRow }: KernelArg): string {
  return `${name}: ${access} ${dtype}${byRow ? " rows" : ""}`;
}

function printParams(params: Kernel["params"]): string {
  const members = Object.entries(params).map(
    ([name, value]) => `${JSON.stringify(name)}: ${Object.is(value, -0) ? "-0" : JSON.stringify(value)}`,
  );
  return `{${members.join(", ")}}`;
}

function printPort({ name, role, buffer, dtype, shape, batchAxis }: ProgramPort): string {
  const words = [`${JSON.stringify(name)}${role === null ? "" : ` ${role}`}:`];
  words.push(`${dtype}${printShape(shape)} in ${printId(buffer)}`);
  if (batchAxis !== null) words.push(`batch ${batchAxis}`);
  return words.join(" ");
}

function printLaunch({ kernel, rows, args, scalars, grid, label }: Launch): string {
  const words = [`${JSON.stringify(label)}: ${printId(kernel)}(${args.map(printLaunchArg).join(", ")})`];
  words.push(`rows ${rows}`);
  if (scalars.length > 0)
    words.push(`scalars ${scalars.map((s) => (Object.is(s, -0) ? "-0" : s)).join(", ")}`);
  if (grid.length > 0) words.push(`grid ${grid.map(({ size, tile }) => `${size}/${tile}`).join(", ")}`);
  return words.join(" ");
}

function printLaunchArg({ buffer, offset, rowStride, stepStride }: LaunchArg): string {
  return `${printId(buffer)}[${offset}; ${rowStride}; ${stepStride}]`;
}
