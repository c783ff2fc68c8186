import { addDims, type Dim, mulDims, subDims, substituteDim, symbolsOf } from "../dim.js";
import { dimOf } from "../families/contract/sizes.js";
import { contractOf } from "../families/index.js";
import { inputOf, TXT_TOKENS } from "../models/index.js";
import type { Kernel, Launch, LaunchArg, Program, ProgramBuffer, ProgramPort } from "./program.js";

/** Tokens of the second text. */
export const OTHER_TXT_TOKENS = "other_txt_tokens";

/** What differs between two texts. */
interface PerText {
  /** Buffers that hold one value for each text, the second behind the first. */
  readonly buffers: ReadonlyMap<string, ProgramBuffer>;
  readonly kernels: ReadonlyMap<string, Kernel>;
}

const made = new WeakMap<Program, Program | null>();

/**
 * A program that evaluates its model for two texts at once, over the same kernels, weights and `load`: guidance by two passes
 * reads both velocities. Undefined for one that is no transformer with inputs of a text.
 *
 * Buffers that depend on the text hold two values, the second behind the first, and inputs and outputs likewise; latents,
 * timesteps, and what is made of these alone, are there once. A launch becomes one over the rows of both where those of the
 * second follow the first's in every argument, as a linear's do, so that its weights are read once; otherwise (attention,
 * vectors of a modulation that depends on the text, parts of the joint rows) it runs twice. Texts may differ in length:
 * `other_txt_tokens` is the second one's. Updates find the first text's velocity where it was.
 *
 * Rows are computed as in a program for one text, by the same kernels, so that results are the same to the bit.
 */
export function forTwoTexts(program: Program): Program | undefined {
  const known = made.get(program);
  if (known !== undefined) return known ?? undefined;
  const found = derive(program);
  made.set(program, found ?? null);
  // Of that there is no other form.
  if (found !== undefined) made.set(found, null);
  return found;
}

function derive(program: Program): Program | undefined {
  const { model, inputs, outputs, symbols } = program;
  const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  const buffers = textBuffers(program, kernels);
  if (model === null || !outputs.every(({ buffer }) => buffers.has(buffer))) return undefined;
  const perText: PerText = { buffers, kernels };
  return {
    ...program,
    symbols: symbols.flatMap((name) => (name === TXT_TOKENS ? [name, OTHER_TXT_TOKENS] : [name])),
    buffers: program.buffers.map((buffer) =>
      buffers.has(buffer.id) ? { ...buffer, elements: twice(buffer.elements) } : buffer,
    ),
    phases: program.phases.map((phase) =>
      phase.runs === "prompt" || phase.runs === "step"
        ? { ...phase, launches: phase.launches.flatMap((launch) => forBoth(launch, perText)) }
        : phase,
    ),
    inputs: inputs.map((port) => (buffers.has(port.buffer) ? portOfBoth(port) : port)),
    outputs: outputs.map(portOfBoth),
  };
}

/** Whether an input is of a text. */
export function isOfText({ role }: Pick<ProgramPort, "role">): boolean {
  return role !== null && role !== "coefficient" && inputOf(role).text;
}

/** Inputs of a text, and all that launches make of them. */
function textBuffers(
  { inputs, buffers, phases }: Program,
  kernels: ReadonlyMap<string, Kernel>,
): ReadonlyMap<string, ProgramBuffer> {
  const byId = new Map(buffers.map((buffer) => [buffer.id, buffer]));
  const sized = buffers.filter((buffer) => symbolsOf(buffer.elements).includes(String(TXT_TOKENS)));
  const ofText = inputs.filter(isOfText).map(({ buffer }) => buffer);
  const found = new Set([...ofText, ...sized.map(({ id }) => id)]);
  const launches = phases.filter(({ runs }) => runs === "prompt" || runs === "step");
  // A value that is written in parts may have the first of them from elsewhere, so what is found is looked through again.
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const launch of launches.flatMap((phase) => phase.launches)) {
      if (!launch.args.some(({ buffer }) => found.has(buffer))) continue;
      const args = kernels.get(launch.kernel)?.args ?? [];
      for (const [i, { buffer }] of launch.args.entries()) if (args[i]?.access !== "read") found.add(buffer);
    }
  }
  return new Map([...found].flatMap((id) => [[id, byId.get(id)]]) as [string, ProgramBuffer][]);
}

/** The size of the second text's. */
function other(dim: Dim): Dim {
  return substituteDim(dim, { [String(TXT_TOKENS)]: OTHER_TXT_TOKENS });
}

function twice(dim: Dim): Dim {
  return addDims(dim, other(dim));
}

/** What is of both texts' tokens, or the vectors of samples. */
function portOfBoth(port: ProgramPort): ProgramPort {
  const tokens = port.shape.findIndex((dim) => symbolsOf(dim).includes(String(TXT_TOKENS)));
  const axis = tokens < 0 ? Math.max(0, port.shape.length - 2) : tokens;
  return { ...port, shape: port.shape.map((dim, i) => (i === axis ? twice(dim) : dim)) };
}

function forBoth(launch: Launch, perText: PerText): readonly Launch[] {
  if (!launch.args.some(({ buffer }) => perText.buffers.has(buffer))) return [launch];
  const second = forSecond(launch, perText);
  const joined = join(launch, second, perText.kernels.get(launch.kernel));
  return joined === undefined ? [launch, second] : [joined];
}

function forSecond(launch: Launch, { buffers }: PerText): Launch {
  return {
    ...launch,
    rows: other(launch.rows),
    scalars: launch.scalars.map(other),
    grid: launch.grid.map(({ size, tile }) => ({ size: other(size), tile })),
    args: launch.args.map(({ buffer, offset, rowStride, stepStride }): LaunchArg => {
      const first = buffers.get(buffer)?.elements ?? 0;
      return {
        buffer,
        offset: addDims(other(offset), first),
        rowStride: other(rowStride),
        stepStride: other(stepStride),
      };
    }),
  };
}

/** Both as one launch, if the rows of the second follow those of the first wherever rows have arguments of their own. */
function join(first: Launch, second: Launch, kernel: Kernel | undefined): Launch | undefined {
  const contract = kernel && contractOf(kernel);
  if (kernel === undefined || contract?.rows !== "rows") return undefined;
  const same = (a: Dim, b: Dim) => subDims(a, b) === 0;
  const follows = first.args.every((arg, i) => {
    const next = second.args[i];
    if (next === undefined) return false;
    const moved = kernel.args[i]?.byRow === true ? mulDims(first.rows, arg.rowStride) : 0;
    return (
      same(next.offset, addDims(arg.offset, moved)) &&
      same(next.rowStride, arg.rowStride) &&
      same(next.stepStride, arg.stepStride)
    );
  });
  if (!follows || !first.scalars.every((value, i) => same(value, second.scalars[i] ?? Number.NaN)))
    return undefined;
  const rows = addDims(first.rows, second.rows);
  const { scalars } = first;
  const grid = first.grid.map(({ tile }, axis) => ({
    size: dimOf(contract.grid[axis] ?? 1, { rows, scalars }),
    tile,
  }));
  return { ...first, rows, grid };
}
