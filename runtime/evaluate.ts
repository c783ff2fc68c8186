import { bindDims, type Sized } from "../ir/bind-dims.js";
import { convertData, isBig } from "../ir/constant/convert.js";
import { type Dim, evaluateDim, symbolsOf } from "../ir/dim.js";
import { TritcError } from "../ir/errors.js";
import { STEPS } from "../ir/graph/graph.js";
import { phasesThatRun } from "../ir/program/phases.js";
import type { DeviceDType, Program, ProgramPort } from "../ir/program/program.js";
import { countOf, type Tensor } from "../ir/tensor.js";
import type { LoadedProgram } from "./device.js";
import { sequencesOf } from "./turns.js";

type Inputs = ReadonlyMap<string, Tensor>;

/**
 * One forward pass of a loaded program. Inputs are named and shaped as in the source graph; symbols are bound
 * from their shapes, and samples of a batch run one after the other. Passes of one program take turns. Throws TRITC_E_INPUT.
 */
export function evaluateBundle(
  loaded: LoadedProgram,
  program: Program,
  inputs: Inputs,
): Promise<Map<string, Tensor>> {
  return sequencesOf(loaded).take(() => evaluate(loaded, program, inputs));
}

async function evaluate(
  loaded: LoadedProgram,
  program: Program,
  inputs: Inputs,
): Promise<Map<string, Tensor>> {
  const ports = program.inputs.filter((port) => port.role !== "coefficient");
  checkNames(ports, inputs);
  const batch = batchOf(ports, inputs);
  const bindings = bindSymbols(ports, inputs);
  const dtypes = new Map(program.buffers.map((b) => [b.id, b.dtype]));
  const phases = phasesThatRun(program, "prompt", "step");
  await loaded.bind(bindings);
  const parts = new Map<string, Float32Array[] | Int32Array[] | Uint32Array[]>();
  for (let sample = 0; sample < batch; sample++) {
    for (const port of ports) {
      const tensor = inputs.get(port.name);
      if (tensor === undefined) continue;
      loaded.write(port.buffer, sampleData(port, tensor, sample, dtypes.get(port.buffer) ?? "f32"));
    }
    await loaded.run(phases, 0);
    for (const port of program.outputs) {
      if (sample > 0 && port.batchAxis === null) continue;
      const count = countOf(port.shape.map((dim) => evaluateDim(dim, bindings)));
      const data = (await loaded.read(port.buffer)).slice(0, count);
      const list = parts.get(port.name);
      if (list === undefined) parts.set(port.name, [data] as Float32Array[]);
      else (list as unknown[]).push(data);
    }
  }
  return new Map(
    program.outputs.map((port) => {
      const shape = port.shape.map((dim) => evaluateDim(dim, bindings));
      if (port.batchAxis !== null) shape[port.batchAxis] = (shape[port.batchAxis] ?? 1) * batch;
      const computed = outputDType(dtypes.get(port.buffer) ?? "f32");
      const data = join(computed, parts.get(port.name) ?? []);
      const { name, dtype } = port;
      return [name, { dtype, shape, data: dtype === computed ? data : convertData(data, computed, dtype) }];
    }),
  );
}

function outputDType(dtype: DeviceDType): "f32" | "i32" | "u32" {
  return dtype === "i32" || dtype === "u32" ? dtype : "f32";
}

function join(dtype: "f32" | "i32" | "u32", parts: readonly ArrayLike<number>[]): Tensor["data"] {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const out =
    dtype === "f32"
      ? new Float32Array(count)
      : dtype === "i32"
        ? new Int32Array(count)
        : new Uint32Array(count);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function checkNames(ports: readonly ProgramPort[], inputs: Inputs): void {
  const names = ports.map((port) => port.name);
  for (const name of inputs.keys()) {
    if (!names.includes(name))
      throw refuse(`input ${name}`, "the bundle has no such input", names.join(", "), name);
  }
  const missing = names.filter((name) => !inputs.has(name));
  if (missing.length > 0) {
    throw refuse(
      "inputs",
      `${missing.join(", ")} not given`,
      names.join(", "),
      [...inputs.keys()].join(", ") || "none",
    );
  }
}

/** Samples in the batch: the largest entry of a batch axis; others have as many, or one for all. */
function batchOf(ports: readonly ProgramPort[], inputs: Inputs): number {
  let batch = 1;
  for (const { name, batchAxis } of ports) {
    if (batchAxis !== null) batch = Math.max(batch, inputs.get(name)?.shape[batchAxis] ?? 1);
  }
  for (const { name, batchAxis } of ports) {
    const size = batchAxis === null ? 1 : (inputs.get(name)?.shape[batchAxis] ?? 1);
    if (size !== 1 && size !== batch) {
      throw refuse(
        `input ${name}`,
        "another batch size than the other inputs'",
        `1 or ${batch}`,
        String(size),
      );
    }
  }
  return batch;
}

/** Sizes of the program's symbols from the inputs' shapes; one step. */
function bindSymbols(ports: readonly ProgramPort[], inputs: Inputs): Record<string, number> {
  const sizes: (Sized & { readonly port: ProgramPort })[] = [];
  for (const port of ports) {
    const { shape } = inputs.get(port.name) ?? { shape: [] };
    if (shape.length !== port.shape.length) {
      throw refuse(
        `input ${port.name}`,
        `rank ${shape.length} instead of ${port.shape.length}`,
        `[${port.shape.join(", ")}]`,
        `[${shape.join(", ")}]`,
      );
    }
    for (const [axis, dim] of port.shape.entries())
      if (axis !== port.batchAxis) sizes.push({ port, dim, size: shape[axis] ?? 1 });
  }
  const bindings: Record<string, number> = Object.assign(Object.create(null), { [STEPS]: 1 });
  bindDims(sizes, bindings);
  for (const { port, dim, size } of sizes) {
    const unbound = symbolsOf(dim).find((name) => !Object.hasOwn(bindings, name));
    if (unbound !== undefined)
      throw refuse(`input ${port.name}`, `no whole number ${unbound} gives this size`, dim, size);
    if (evaluateDim(dim, bindings) !== size) {
      const sizes = symbolsOf(dim).map((name) => ` (${name} = ${bindings[name]})`);
      throw refuse(`input ${port.name}`, "the wrong size", `${dim}${sizes.join("")}`, size);
    }
  }
  return bindings;
}

/** One sample's values in the type of the port's buffer. */
function sampleData(
  port: ProgramPort,
  tensor: Tensor,
  sample: number,
  dtype: DeviceDType,
): Float32Array | Int32Array {
  const { batchAxis } = port;
  const samples = batchAxis === null ? 1 : (tensor.shape[batchAxis] ?? 1);
  const length = tensor.data.length / samples;
  // Only the leading axis carries a batch, so a sample is one run of elements.
  const start = samples === 1 ? 0 : sample * length;
  const data = tensor.data.subarray(start, start + length);
  if (dtype === "f32") {
    const floats = data instanceof Float32Array ? data : convertData(data, tensor.dtype, "f32");
    if (floats instanceof Float32Array) return floats;
  }
  const out = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const value = isBig(data) ? Number(data[i]) : (data[i] ?? 0);
    if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 32) {
      throw refuse(`input ${port.name}`, "a value that the kernels cannot hold", "32-bit integers", value);
    }
    out[i] = value;
  }
  return out;
}

function refuse(place: string, message: string, expected: Dim, found: Dim): TritcError {
  return new TritcError({
    code: "TRITC_E_INPUT",
    message,
    place,
    expected: String(expected),
    found: String(found),
    remedy: "give one tensor per input, named and shaped as in the model (`tritc inspect` lists them)",
  });
}
