import { canonicalDim, type Dim } from "../dim.js";
import { DTYPES } from "../dtype.js";
import { TextReader } from "../format/text-reader.js";
import { INPUT_ROLES, type ModelDescription } from "../models/index.js";
import {
  type BufferStorage,
  DEVICE_DTYPES,
  type Kernel,
  type KernelArg,
  type Launch,
  type LaunchArg,
  type Phase,
  type Program,
  type ProgramBuffer,
  type ProgramPort,
  REPETITIONS,
  SCALAR_TYPES,
  type ScalarType,
  type StorageKind,
} from "./program.js";

/**
 * Reads the text form that `printProgramText` writes. Errors give line, column and what was expected. The program is
 * not verified; bundles hold `program.json` instead, which is.
 */
export function parseProgramText(text: string, file = "program text"): Program {
  const r = new TextReader(text, file);
  r.expect("program");
  const target = r.string();
  r.expect("{");
  const symbols: string[] = r.accept("symbols") ? r.list(() => r.match(/[A-Za-z_][\w.]*/y, "a symbol")) : [];
  const model = r.accept("model") ? (r.json() as ModelDescription) : null;
  const buffers: ProgramBuffer[] = [];
  while (r.accept("buffer")) buffers.push(readBuffer(r));
  const kernels: Kernel[] = [];
  while (r.accept("kernel")) kernels.push(readKernel(r));
  const inputs: ProgramPort[] = [];
  while (r.accept("input")) inputs.push(readPort(r));
  const outputs: ProgramPort[] = [];
  while (r.accept("output")) outputs.push(readPort(r));
  const phases: Phase[] = [];
  while (r.accept("phase")) phases.push(readPhase(r));
  r.expect("}");
  r.end();
  return { target, symbols, buffers, kernels, phases, inputs, outputs, model };
}

function readId(r: TextReader): string {
  r.expect("%");
  return r.peek('"') ? r.string() : r.match(/[A-Za-z0-9_./-]+/y, "a name");
}

function readWord(r: TextReader, what: string): string {
  return r.match(/[A-Za-z0-9_-]+/y, what);
}

function oneOf<T extends string>(r: TextReader, words: readonly T[]): T {
  const word = readWord(r, words.join(" or "));
  return words.find((w) => w === word) ?? r.fail(`${word} is none of ${words.join(", ")}`);
}

/** A number, which may be an f32 scalar, or a polynomial. */
function readDim(r: TextReader): Dim {
  const text = r.match(/-?\d[\d.]*(?:e[+-]?\d+)?(?![\w.*+-])|[A-Za-z0-9_.*+-]+/y, "a size");
  const value = Number(text);
  return Number.isNaN(value) ? canonicalDim(text) : value;
}

function readBuffer(r: TextReader): ProgramBuffer {
  const id = readId(r);
  r.expect(":");
  const dtype = oneOf(r, DEVICE_DTYPES);
  r.expect("[");
  const elements = readDim(r);
  r.expect("]");
  return { id, dtype, elements, storage: readStorage(r) };
}

const STORAGE_KINDS: readonly StorageKind[] = ["arena", "weight", "staging", "resident", "host", "state"];

function readStorage(r: TextReader): BufferStorage {
  const kind = oneOf(r, STORAGE_KINDS);
  if (kind === "resident" || kind === "host" || kind === "state") return { kind };
  r.expect("(");
  const storage: BufferStorage =
    kind === "arena" ? { kind, slot: r.integer() } : { kind, tensor: r.string() };
  r.expect(")");
  return storage;
}

function readKernel(r: TextReader): Kernel {
  const id = readId(r);
  r.expect(":");
  const family = readWord(r, "a kernel family");
  r.expect("(");
  const args: KernelArg[] = [];
  const scalars: ScalarType[] = [];
  if (!r.peek(")")) {
    r.list(() => {
      const name = readWord(r, "an argument or a scalar type");
      if (r.accept(":")) args.push(readKernelArg(r, name));
      else scalars.push(SCALAR_TYPES.find((type) => type === name) ?? r.fail(`${name} is no scalar type`));
    });
  }
  r.expect(")");
  const params = r.peek("{") ? (r.json() as Kernel["params"]) : {};
  r.expect("config");
  const config = r.json() as Kernel["config"];
  const workgroup = r.accept("workgroup") ? readWorkgroup(r) : ([1, 1, 1] as const);
  const features = r.accept("needs") ? r.list(() => r.string()) : [];
  const fallback = r.accept("else") ? readId(r) : null;
  const cuda = r.accept("cuda") ? (r.json() as Kernel["cuda"]) : null;
  return { id, family, params, config, args, scalars, workgroup, features, fallback, cuda };
}

function readKernelArg(r: TextReader, name: string): KernelArg {
  const access = oneOf(r, ["read", "write"]);
  return { name, access, dtype: oneOf(r, DEVICE_DTYPES), byRow: r.accept("rows") };
}

function readWorkgroup(r: TextReader): Kernel["workgroup"] {
  r.expect("[");
  const [x, y, z, ...rest] = r.list(() => r.integer());
  r.expect("]");
  if (x === undefined || y === undefined || z === undefined || rest.length > 0) {
    return r.fail("expected three sizes");
  }
  return [x, y, z];
}

function readPort(r: TextReader): ProgramPort {
  const name = r.string();
  const role = r.peek(":") ? null : oneOf(r, [...INPUT_ROLES, "coefficient"]);
  r.expect(":");
  const dtype = oneOf(r, DTYPES);
  r.expect("[");
  const shape = r.peek("]") ? [] : r.list(() => readDim(r));
  r.expect("]");
  r.expect("in");
  const buffer = readId(r);
  return { name, role, buffer, dtype, shape, batchAxis: r.accept("batch") ? r.integer() : null };
}

function readPhase(r: TextReader): Phase {
  const name = r.string();
  r.expect("runs");
  const runs = oneOf(r, REPETITIONS);
  const writes = r.accept("writes") ? r.list(() => oneOf(r, STORAGE_KINDS)) : [];
  r.expect("{");
  const launches: Launch[] = [];
  while (!r.accept("}")) launches.push(readLaunch(r));
  return { name, runs, writes, launches };
}

function readLaunch(r: TextReader): Launch {
  const label = r.string();
  r.expect(":");
  const kernel = readId(r);
  r.expect("(");
  const args = r.peek(")") ? [] : r.list(() => readLaunchArg(r));
  r.expect(")");
  r.expect("rows");
  const rows = readDim(r);
  const scalars = r.accept("scalars") ? r.list(() => readDim(r)) : [];
  const grid = r.accept("grid") ? r.list(() => readGridAxis(r)) : [];
  return { kernel, rows, args, scalars, grid, label };
}

function readGridAxis(r: TextReader): Launch["grid"][number] {
  const size = readDim(r);
  r.expect("/");
  return { size, tile: r.integer() };
}

function readLaunchArg(r: TextReader): LaunchArg {
  const buffer = readId(r);
  r.expect("[");
  const offset = readDim(r);
  r.expect(";");
  const rowStride = readDim(r);
  r.expect(";");
  const stepStride = readDim(r);
  r.expect("]");
  return { buffer, offset, rowStride, stepStride };
}
