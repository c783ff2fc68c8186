import type { Compiled } from "../../compiler/compile-graph.js";
import type { WeightTensor } from "../../compiler/lower/index.js";
import { packRows } from "../../compiler/pack/tensor-rows.js";
import {
  type ByteReader,
  type Constant,
  type ConstantSource,
  operandsOf,
} from "../../ir/constant/constant.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device, KernelCode, LoadedProgram, LoadOptions, WeightSource } from "../../runtime/device.js";
import { evaluateBundle } from "../../runtime/evaluate.js";

/** Packed weights by their form: programs made from one graph, for any target, pack each of them once. */
const packed = new WeakMap<ByteReader, Map<string, Uint8Array>>();

/** Sources that recipes begin with, by number: they are the same only where they are one object. */
const numbers = new WeakMap<ConstantSource, number>();
let count = 0;

function numberOf(source: ConstantSource): number {
  const number = numbers.get(source) ?? count++;
  numbers.set(source, number);
  return number;
}

/** What the bytes of a tensor follow from. */
function formOf({ dtype, encoding, weight, constant }: WeightTensor): string {
  return JSON.stringify([dtype, encoding, weight, constant], (key, value) =>
    key === "source" && operandsOf(value).length === 0 ? numberOf(value) : value,
  );
}

/** Loads a compiled graph on a device without writing a bundle. */
export function loadCompiled(
  compiled: Compiled,
  reader: ByteReader,
  device: Pick<Device, "load">,
  options: LoadOptions = {},
): Promise<LoadedProgram> {
  const { lowered, kernels } = compiled;
  const artifacts = new Map(kernels.map((kernel) => [kernel.id, kernel]));
  const code: KernelCode = {
    source: (id) => artifacts.get(id)?.source ?? "",
    binary: (id) => new Uint8Array(artifacts.get(id)?.binary ?? []),
  };
  const scales = new WeakMap<Constant, Float32Array>();
  const known = packed.get(reader) ?? new Map<string, Uint8Array>();
  packed.set(reader, known);
  const weights: WeightSource = {
    bytes: (name) => {
      const tensor = lowered.tensors.find((t) => t.name === name);
      if (tensor === undefined) return Promise.reject(new Error(`no tensor ${name}`));
      const form = formOf(tensor);
      const bytes = known.get(form) ?? Buffer.concat([...packRows(tensor, reader, scales)]);
      known.set(form, bytes);
      return Promise.resolve(bytes);
    },
  };
  return device.load(lowered.program, code, weights, options);
}

/** One forward pass of a compiled graph. */
export async function runCompiled(
  compiled: Compiled,
  reader: ByteReader,
  device: Device,
  inputs: ReadonlyMap<string, Tensor>,
): Promise<ReadonlyMap<string, Tensor>> {
  const loaded = await loadCompiled(compiled, reader, device);
  try {
    return await evaluateBundle(loaded, compiled.lowered.program, inputs);
  } finally {
    await loaded.close();
  }
}

/** ‖found − wanted‖ / ‖wanted‖ */
export function relativeError(found: Tensor | undefined, wanted: Tensor | undefined): number {
  if (found === undefined || wanted === undefined || found.data.length !== wanted.data.length)
    return Number.NaN;
  let distance = 0;
  let norm = 0;
  for (let i = 0; i < wanted.data.length; i++) {
    const w = Number(wanted.data[i]);
    distance += (Number(found.data[i]) - w) ** 2;
    norm += w ** 2;
  }
  return norm === 0 ? Math.sqrt(distance) : Math.sqrt(distance / norm);
}
