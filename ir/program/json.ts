import {
  boolean,
  type Decoder,
  decodeJson,
  dim,
  either,
  index,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  pair,
  record,
  string,
  tagged,
  triple,
} from "../format/decode.js";
import { PROGRAM_FILE, portMembers } from "../format/manifest.js";
import type { JsonValue } from "../format/strict-json.js";
import { modelDescription } from "../models/index.js";
import {
  type BufferStorage,
  type CudaLaunch,
  type CudaTensorMap,
  type DeviceDType,
  type GridAxis,
  type Kernel,
  type KernelArg,
  type KernelConfig,
  type Launch,
  type LaunchArg,
  type ParamValue,
  type Phase,
  type Program,
  type ProgramBuffer,
  type ProgramPort,
  REPETITIONS,
  SCALAR_TYPES,
} from "./program.js";
import { sampleBindings, verifyProgram } from "./verify.js";

/** `program.json`: one launch to a line, so that bundles can be compared with line tools. */
export function printProgram(program: Program): string {
  const { buffers, kernels, phases, ...rest } = program;
  const lines = (items: readonly unknown[]) => items.map((item) => `\n    ${JSON.stringify(item)}`).join(",");
  const members = Object.entries(rest).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  members.push(`  "buffers": [${lines(buffers)}\n  ]`, `  "kernels": [${lines(kernels)}\n  ]`);
  const printed = phases.map(({ launches, ...phase }) => {
    const head = JSON.stringify(phase).slice(0, -1);
    return `\n  ${head},"launches":[${lines(launches)}\n  ]}`;
  });
  members.push(`  "phases": [${printed.join(",")}\n  ]`);
  return `{\n${members.join(",\n")}\n}\n`;
}

const dtype = oneOf<DeviceDType>("f32", "f16", "bf16", "i32", "u32", "i8", "u8");

const storage = tagged<BufferStorage>("kind", {
  arena: object({ kind: oneOf("arena"), slot: index }),
  weight: object({ kind: oneOf("weight"), tensor: string }),
  staging: object({ kind: oneOf("staging"), tensor: string }),
  resident: object({ kind: oneOf("resident") }),
  host: object({ kind: oneOf("host") }),
  state: object({ kind: oneOf("state") }),
});

const port = object<ProgramPort>({ ...portMembers, buffer: string });

const kernelArg = object<KernelArg>({
  name: string,
  dtype,
  access: oneOf("read", "write"),
  byRow: boolean,
});

const kernel: Decoder<Kernel> = object<Kernel>({
  id: kernelId,
  family: string,
  params: record(paramValue),
  config: kernelConfig,
  args: list(kernelArg),
  scalars: list(oneOf(...SCALAR_TYPES)),
  workgroup: triple(index),
  features: list(string),
  fallback: nullable(kernelId),
  cuda: nullable(
    object<CudaLaunch>({
      sharedBytes: index,
      tile: triple(index),
      persistent: boolean,
      cluster: optional(index),
      tensorMaps: list(
        object<CudaTensorMap>({
          arg: index,
          columns: index,
          rows: either(oneOf("launch"), index),
          box: pair(index),
          swizzle: oneOf("none", "64B", "128B"),
        }),
      ),
    }),
  ),
});

/** A parameter is a word, a number, true or false, a list or an object; what it may be is for its family to say. */
function paramValue(value: JsonValue, at: string): ParamValue {
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return list(paramValue)(value, at);
  return value instanceof Map ? record(paramValue)(value, at) : number(value, at);
}

/** A variant and numbers; whether they are those of its family, `verifyKernel` says. */
export function kernelConfig(value: JsonValue, at: string): KernelConfig {
  const { variant, ...numbers } = record(either(either(string, boolean), number))(value, at);
  return { ...numbers, variant: string(typeof variant === "string" ? variant : null, `${at}.variant`) };
}

/** Kernel ids are file names: letters, digits and hyphens only. */
function kernelId(value: JsonValue, at: string): string {
  return oneOf(...[string(value, at)].filter((id) => /^[a-z0-9][a-z0-9-]*$/.test(id)))(value, at);
}

const launch: Decoder<Launch> = object<Launch>({
  kernel: string,
  rows: dim,
  args: list(object<LaunchArg>({ buffer: string, offset: dim, rowStride: dim, stepStride: dim })),
  scalars: list(either(dim, number)),
  grid: list(object<GridAxis>({ size: dim, tile: index })),
  label: string,
});

const program: Decoder<Program> = object<Program>({
  target: string,
  symbols: list(string),
  buffers: list(object<ProgramBuffer>({ id: string, dtype, elements: dim, storage })),
  kernels: list(kernel),
  phases: list(
    object<Phase>({
      name: string,
      runs: oneOf(...REPETITIONS),
      writes: list(oneOf("arena", "weight", "staging", "resident", "host", "state")),
      launches: list(launch),
    }),
  ),
  inputs: list(port),
  outputs: list(port),
  model: nullable(modelDescription),
});

/** Reads and verifies `program.json`. Throws TRITC_E_BUNDLE_FORMAT, and TRITC_E_PROGRAM for a broken invariant. */
export function parseProgram(text: string, place: string = PROGRAM_FILE): Program {
  const remedy = "compile the model again; if the bundle was downloaded, download it again";
  const decoded = decodeJson(text, program, place, remedy);
  // One size will do: devices check those of each run.
  verifyProgram(decoded, sampleBindings(decoded).slice(0, 1), place);
  return decoded;
}
