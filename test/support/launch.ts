import { assembleWat } from "../../compiler/codegen/assemble-wat.js";
import { byteLength } from "../../ir/dtype.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { DeviceDType, Kernel, Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import type { Device } from "../../runtime/device.js";
import { gridOf } from "../../templates/index.js";
import type { KernelDefinition } from "../../templates/kernel-definition.js";
import { renderTemplate } from "../../templates/render.js";
import { emulatorModule } from "./cuda-emulator.js";

export type Data = Float32Array | Int32Array | Uint32Array | Int8Array | Uint8Array;

/** Where a matrix lies in its buffer, in elements. Everything else in the buffer is poison. */
interface Placement {
  readonly rows: number;
  readonly columns: number;
  readonly rowStride: number;
  readonly offset: number;
}

/** One argument of a launch. `initial` is dense, rows × columns; without it the matrix is poison too. */
export interface MatrixArg extends Placement {
  readonly initial: Data | null;
  /** The row stride that the launch passes, where it is not that of the placement. */
  readonly launchStride?: number;
}

type PlacementOptions = Partial<Pick<Placement, "rowStride" | "offset">>;

/** A matrix with data; by default dense, from the buffer's start on. */
export function matrix(data: Data, rows: number, columns: number, options: PlacementOptions = {}): MatrixArg {
  return {
    initial: data,
    rows,
    columns,
    rowStride: options.rowStride ?? columns,
    offset: options.offset ?? 0,
  };
}

/** A vector that every row of the launch sees: row stride 0. */
export function vector(data: Data): MatrixArg {
  return { initial: data, rows: 1, columns: data.length, rowStride: data.length, offset: 0, launchStride: 0 };
}

/** A matrix to be written, between guards. */
export function output(rows: number, columns: number, options: PlacementOptions = {}): MatrixArg {
  return {
    initial: null,
    rows,
    columns,
    rowStride: options.rowStride ?? columns,
    offset: options.offset ?? 16,
  };
}

export interface LaunchRequest {
  readonly rows: number;
  /** By argument name. */
  readonly args: Readonly<Record<string, MatrixArg>>;
  readonly scalars?: readonly number[];
  /** Sizes that the grid covers in x, y, z. */
  readonly grid: readonly [number, number, number];
  /** The source to run in place of the rendered template. */
  readonly source?: (version: KernelDefinition) => string;
}

const GUARD = 32;
const POISON_BYTE = 0xcd;

/**
 * Runs one kernel once on any device and returns the dense matrices that it wrote, by argument name. Everything around
 * them was poisoned before and must be poison after: throws where a guard changed.
 */
export async function runLaunch(
  device: Device,
  definition: KernelDefinition,
  request: LaunchRequest,
): Promise<Readonly<Record<string, Data>>> {
  const { args } = definition.kernel;
  const places = args.map(({ name }) => {
    const place = request.args[name];
    if (place === undefined) throw new Error(`the launch has no argument ${name}`);
    return place;
  });
  const images = args.map(({ dtype }, i) => image(dtype, places[i]!));
  const written = args.map(({ access }) => access !== "read");
  const buffers = args.map(
    ({ name, dtype }, i): ProgramBuffer => ({
      id: name,
      dtype,
      elements: images[i]!.length / byteLength(dtype, 1),
      storage: written[i] ? { kind: "host" } : { kind: "weight", tensor: name },
    }),
  );
  const { program, code } = await programOf(
    definition,
    buffers,
    {
      kernel: "kernel",
      rows: request.rows,
      args: args.map(({ name }, i) => ({
        buffer: name,
        offset: places[i]!.offset,
        rowStride: places[i]!.launchStride ?? places[i]!.rowStride,
        stepStride: 0,
      })),
      scalars: request.scalars ?? [],
      grid: gridOf(definition, request.grid),
      label: definition.kernel.family,
    },
    request.source,
  );
  const weights = {
    bytes: async (tensor: string) =>
      images[args.findIndex(({ name }) => name === tensor)] ?? new Uint8Array(),
  };
  const loaded = await device.load(program, code, weights);
  try {
    await loaded.bind({});
    args.forEach(({ name }, i) => {
      if (written[i]) loaded.write(name, new Int32Array(images[i]!.buffer));
    });
    await loaded.run(["step"], 0);
    const results: Record<string, Data> = {};
    for (const [i, { name, dtype }] of args.entries()) {
      if (!written[i]) continue;
      const after = await loaded.read(name);
      const bytes = new Uint8Array(after.buffer, after.byteOffset, images[i]!.length);
      results[name] = extract(name, dtype, places[i]!, bytes);
    }
    return results;
  } finally {
    await loaded.close();
  }
}

function image(dtype: DeviceDType, place: MatrixArg): Uint8Array<ArrayBuffer> {
  const size = byteLength(dtype, 1);
  const elements = place.offset + (place.rows - 1) * place.rowStride + place.columns + GUARD;
  const bytes = new Uint8Array(Math.ceil((elements * size) / 16) * 16).fill(POISON_BYTE);
  // Poison that is read must spoil the result: as f32, 0xCDCDCDCD would be an ordinary number.
  const { initial } = place;
  if (initial === null) return bytes;
  if (dtype === "f32") new Float32Array(bytes.buffer).fill(Number.NaN);
  const source = new Uint8Array(initial.buffer, initial.byteOffset, initial.byteLength);
  const rowBytes = place.columns * size;
  for (let r = 0; r < place.rows; r++) {
    bytes.set(source.subarray(r * rowBytes, (r + 1) * rowBytes), (place.offset + r * place.rowStride) * size);
  }
  return bytes;
}

function extract(name: string, dtype: DeviceDType, place: MatrixArg, bytes: Uint8Array): Data {
  const size = byteLength(dtype, 1);
  const expected = image(dtype, place);
  const dense = new Uint8Array(place.rows * place.columns * size);
  for (let r = 0; r < place.rows; r++) {
    const at = (place.offset + r * place.rowStride) * size;
    const row = bytes.subarray(at, at + place.columns * size);
    dense.set(row, r * place.columns * size);
    expected.set(row, at);
  }
  const changed = expected.findIndex((byte, i) => byte !== bytes[i]);
  if (changed >= 0)
    throw new Error(`${name}: the kernel wrote outside its matrix, at element ${Math.floor(changed / size)}`);
  switch (dtype) {
    case "f32":
      return new Float32Array(dense.buffer);
    case "i32":
      return new Int32Array(dense.buffer);
    case "u32":
      return new Uint32Array(dense.buffer);
    case "i8":
      return new Int8Array(dense.buffer);
    default:
      return dense;
  }
}

/** A target that devices of a language accept. */
const TARGETS = { wat: "cpu", wgsl: "webgpu", cuda: "cuda-portable" } as const;

async function programOf(
  definition: KernelDefinition,
  buffers: readonly ProgramBuffer[],
  launch: Launch,
  sourceOf = ({ template, values }: KernelDefinition) => renderTemplate(template, values),
) {
  const kernels: Kernel[] = [];
  const sources = new Map<string, string>();
  const binaries = new Map<string, Uint8Array<ArrayBuffer>>();
  const versions = [definition, ...(definition.fallback === null ? [] : [definition.fallback])];
  for (const [i, version] of versions.entries()) {
    const id = i === 0 ? "kernel" : "fallback";
    kernels.push({ ...version.kernel, id, fallback: version.fallback === null ? null : "fallback" });
    const source = sourceOf(version);
    sources.set(id, source);
    if (version.language === "wat") binaries.set(id, await assembleWat(source, version.template));
    if (version.language === "cuda") binaries.set(id, await emulatorModule(source));
  }
  const program: Program = {
    target: TARGETS[definition.language],
    symbols: [],
    buffers,
    kernels,
    phases: phasesWith({ load: [], prompt: [], step: [launch], euler: [] }),
    inputs: [],
    outputs: [],
    model: null,
  };
  const of = <T>(map: ReadonlyMap<string, T>, id: string): T => {
    const value = map.get(id);
    if (value === undefined) throw new Error(`no code for ${id}`);
    return value;
  };
  return {
    program,
    code: { source: (id: string) => of(sources, id), binary: (id: string) => of(binaries, id) },
  };
}
