import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import { phasesNamed } from "../../ir/program/phases.js";
import type { Kernel, Phase, Program, ProgramBuffer } from "../../ir/program/program.js";
import { type PromptTurn, scheduleWeights, type WeightSchedule } from "../../ir/program/prompt-weights.js";
import { verifyProgramSizes } from "../../ir/program/verify-sizes.js";
import {
  AddressSpace,
  launchRoom,
  memoryError,
  placeRun,
  turnBuffers,
  WASM_PAGE_BYTES,
} from "../../targets/cpu/memory.js";
import { bufferBytes, buffersById, elementBytes, isKept, stagedBy } from "../../targets/memory/buffers.js";
import type { KernelCode, LoadedProgram, LoadOptions, WeightSource } from "../device.js";
import { checkWriteSize } from "../write-size.js";
import { compileKernelModule } from "./kernel-module.js";
import { type BoundLaunch, bindLaunch } from "./layout.js";
import { type ThreadOptions, ThreadTeam } from "./threads.js";

/** What a program runs on. */
export interface CpuHost {
  readonly team: ThreadOptions;
  readonly features: ReadonlySet<string>;
  /** The most memory that it may take; undefined for what WebAssembly can address. */
  readonly memoryBytes: number | undefined;
}

/** Compiles kernels, uploads weights and runs `load`, on a new team of threads. */
export async function loadCpuProgram(
  program: Program,
  code: KernelCode,
  weights: WeightSource,
  { team: threads, features, memoryBytes }: CpuHost,
  { promptWeights = "keep" }: LoadOptions = {},
): Promise<LoadedProgram> {
  const team = new ThreadTeam(threads, launchRoom(program));
  try {
    const modules = await Promise.all(
      program.kernels.map((kernel) => compile(kernel, program, code, features)),
    );
    await team.start(modules);
    const schedule = scheduleWeights(program, promptWeights);
    const loaded = new CpuProgram(program, team, schedule, weights, { promptWeights, memoryBytes });
    await loaded.load();
    return loaded;
  } catch (error) {
    await team.close();
    throw error;
  }
}

/** The kernel's module, or its fallback's where the engine lacks a feature it needs. */
async function compile(
  kernel: Kernel,
  program: Program,
  code: KernelCode,
  features: ReadonlySet<string>,
): Promise<WebAssembly.Module> {
  let chosen = kernel;
  for (;;) {
    const missing = chosen.features.find((feature) => !features.has(feature));
    if (missing === undefined) return compileKernelModule(chosen.id, code.binary(chosen.id));
    const fallback = program.kernels.find((candidate) => candidate.id === chosen.fallback);
    if (fallback === undefined) {
      throw new TritcError({
        code: "TRITC_E_CPU_FEATURE",
        message: `the kernel needs ${missing}, which this WebAssembly engine does not have`,
        place: chosen.id,
        remedy: "use a newer engine, or compile again with this version",
      });
    }
    chosen = fallback;
  }
}

/** Launches that the threads know under the name of a phase. */
type Table = Pick<Phase, "name" | "launches">;

class CpuProgram implements LoadedProgram {
  /** What is bound: the loaded program, or another form of it. */
  private program: Program;
  private buffers: ReadonlyMap<string, ProgramBuffer>;
  private readonly kernelIndex: ReadonlyMap<string, number>;
  /** Buffers that stay where `load` put them. */
  private readonly persistent = new Map<string, number>();
  private addresses: ReadonlyMap<string, number> = new Map();
  private bindings: Bindings | undefined;
  private boundText = "";
  /** The launches of the tables that the threads have. */
  private installed: readonly Table[] = [];
  private readonly space: AddressSpace;
  /** Where the words of the bound phases begin and end. */
  private tables = { from: 0, end: 0 };
  /** By phase: launches whose addresses move with the step, and where their words are. */
  private moving = new Map<string, readonly { readonly address: number; readonly launch: BoundLaunch }[]>();

  private readonly memoryLimit: number | undefined;

  constructor(
    private readonly loaded: Program,
    private readonly team: ThreadTeam,
    private schedule: WeightSchedule,
    /** Where streamed weights are read again. */
    private readonly weights: WeightSource,
    private readonly options: Required<LoadOptions> & Pick<CpuHost, "memoryBytes">,
  ) {
    this.memoryLimit = options.memoryBytes;
    this.space = new AddressSpace(team.firstFree, this.memoryLimit);
    team.nameLaunch = (phase, index) => this.nameLaunch(phase, index);
    this.program = loaded;
    this.buffers = buffersById(loaded);
    this.kernelIndex = new Map(loaded.kernels.map((kernel, index) => [kernel.id, index]));
  }

  /** Places and fills what stays. Staged tensors take turns in the memory behind it, launch by launch. */
  async load(): Promise<void> {
    const { load, streamed } = this.schedule;
    for (const buffer of this.program.buffers) {
      if (!isKept(buffer) || streamed.has(buffer.id)) continue;
      this.persistent.set(buffer.id, this.take(this.space, buffer));
      await this.fill(buffer, this.persistent);
    }
    for (const launch of load) {
      const space = new AddressSpace(this.space.end, this.memoryLimit);
      const addresses = new Map(this.persistent);
      for (const buffer of stagedBy(launch, this.buffers)) {
        addresses.set(buffer.id, this.take(space, buffer));
        await this.fill(buffer, addresses);
      }
      this.installTables([{ name: "load", launches: [launch] }], {}, addresses, space);
      await this.team.run(["load"]);
    }
  }

  async bind(bindings: Bindings, form: Program = this.loaded): Promise<void> {
    const text = JSON.stringify(form.symbols.map((name) => bindings[name]));
    if (this.bindings !== undefined && form === this.program && text === this.boundText) return;
    verifyProgramSizes(form, bindings);
    const space = new AddressSpace(this.space.end, this.memoryLimit);
    this.bindings = undefined;
    const dynamic = placeRun(form, bindings, space);
    this.reserve(space.end);
    if (form !== this.program) {
      this.program = form;
      this.buffers = buffersById(form);
      this.schedule = scheduleWeights(form, this.options.promptWeights);
    }
    this.addresses = new Map([...this.persistent, ...dynamic.addresses]);
    this.tables = { from: space.end, end: this.installBound(bindings, space.end) };
    this.bindings = bindings;
    this.boundText = text;
  }

  write(buffer: string, data: Float32Array | Int32Array): void {
    const { address, bytes } = this.place(buffer);
    checkWriteSize(buffer, bytes, data);
    this.bytes(address, bytes).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  async run(phases: readonly string[], step: number): Promise<void> {
    const bindings = this.bound();
    const named = phasesNamed(this.program, phases);
    const prompt = named.find(({ runs }) => runs === "prompt");
    if (prompt === undefined || this.schedule.turns.length === 0) return this.runTables(phases, step);
    try {
      for (const turn of this.schedule.turns) await this.runTurn(turn, prompt.name, bindings, step);
    } finally {
      this.installBound(bindings, this.tables.from);
    }
    const rest = named.filter(({ runs }) => runs !== "prompt").map(({ name }) => name);
    if (rest.length > 0) await this.runTables(rest, step);
  }

  /** One launch of a streamed prompt; its weights lie behind everything else until the next one. */
  private async runTurn(turn: PromptTurn, phase: string, bindings: Bindings, step: number): Promise<void> {
    const space = new AddressSpace(this.tables.end, this.memoryLimit);
    const addresses = new Map(this.addresses);
    for (const buffer of turnBuffers(turn, this.buffers)) {
      addresses.set(buffer.id, this.take(space, buffer));
      await this.fill(buffer, addresses);
    }
    const tables = [
      { name: "load", launches: turn.unpack },
      { name: phase, launches: [turn.launch] },
    ];
    this.installTables(tables, bindings, addresses, space);
    await this.runTables(["load", phase], step);
  }

  /** Runs phases of the tables that the threads have. */
  private async runTables(phases: readonly string[], step: number): Promise<void> {
    const { buffer } = this.team.memory;
    for (const phase of phases) {
      for (const { address, launch } of this.moving.get(phase) ?? []) {
        const words = new Uint32Array(buffer, address, launch.words.length);
        for (const { word, bytes } of launch.steps) words[word] = (launch.words[word] ?? 0) + step * bytes;
      }
    }
    // A launch runs once in a run of the team.
    if (new Set(phases).size === phases.length) await this.team.run(phases);
    else for (const phase of phases) await this.team.run([phase]);
  }

  async read(buffer: string): Promise<Float32Array | Int32Array | Uint32Array | Int8Array> {
    const { address, bytes, dtype } = this.place(buffer);
    const copy = new Uint8Array(this.bytes(address, bytes)).buffer;
    switch (dtype) {
      case "f32":
        return new Float32Array(copy);
      case "i32":
        return new Int32Array(copy);
      case "u32":
        return new Uint32Array(copy);
      default:
        return new Int8Array(copy);
    }
  }

  memoryBytes(): number {
    return this.team.memory.buffer.byteLength;
  }

  /** WebAssembly memory never shrinks. */
  peakMemoryBytes(): number {
    return this.memoryBytes();
  }

  async close(): Promise<void> {
    await this.team.close();
  }

  /** The tables of every phase that runs from them; returns where their words end. */
  private installBound(bindings: Bindings, from: number): number {
    const space = new AddressSpace(from, this.memoryLimit);
    const streams = this.schedule.turns.length > 0;
    const tables = this.program.phases.filter(
      ({ runs }) => runs !== "load" && !(runs === "prompt" && streams),
    );
    this.installTables(tables, bindings, this.addresses, space);
    return space.end;
  }

  private take(space: AddressSpace, buffer: ProgramBuffer): number {
    const address = space.take(bufferBytes(buffer, {}), buffer.id);
    this.reserve(space.end);
    return address;
  }

  /** Uploads a tensor of the weight file to its place; other buffers stay as they are. */
  private async fill(buffer: ProgramBuffer, addresses: ReadonlyMap<string, number>): Promise<void> {
    const { storage } = buffer;
    if (storage.kind !== "weight" && storage.kind !== "staging") return;
    const data = await this.weights.bytes(storage.tensor);
    this.upload(buffer, data, addresses.get(buffer.id) ?? 0, elementBytes(buffer, {}));
  }

  /** Writes the words of launches behind `space`'s end and sends every thread the tables. */
  private installTables(
    phases: readonly Table[],
    bindings: Bindings,
    addresses: ReadonlyMap<string, number>,
    space: AddressSpace,
  ): void {
    this.installed = phases;
    const tables: Record<string, Int32Array> = {};
    let ordinal = 0;
    this.moving = new Map();
    for (const { name, launches } of phases) {
      const moving: { readonly address: number; readonly launch: BoundLaunch }[] = [];
      const table = new Int32Array(launches.length * 4);
      launches.forEach((launch, i) => {
        const index = this.kernelIndex.get(launch.kernel) ?? -1;
        const scalars = this.program.kernels[index]?.scalars ?? [];
        const bound = bindLaunch(launch, { bindings, buffers: this.buffers, addresses, scalars });
        const address = space.take(bound.words.byteLength, launch.label);
        this.reserve(space.end);
        new Uint32Array(this.team.memory.buffer, address, bound.words.length).set(bound.words);
        if (bound.steps.length > 0) moving.push({ address, launch: bound });
        table.set([index, address, bound.tiles, ordinal], i * 4);
        ordinal += 1;
      });
      tables[name] = table;
      this.moving.set(name, moving);
    }
    this.team.send({ type: "tables", tables });
  }

  private nameLaunch(phase: string, index: number): string {
    const launch = this.installed.find(({ name }) => name === phase)?.launches[index];
    return launch === undefined ? phase : `launch "${launch.label}" (${launch.kernel}) of phase ${phase}`;
  }

  private upload(buffer: ProgramBuffer, data: Uint8Array, address: number, bytes: number): void {
    if (data.byteLength !== bytes) {
      throw new TritcError({
        code: "TRITC_E_BUFFER_SIZE",
        message: "the tensor does not have the size that the program expects",
        place:
          buffer.storage.kind === "weight" || buffer.storage.kind === "staging"
            ? buffer.storage.tensor
            : buffer.id,
        expected: `${bytes} bytes`,
        found: `${data.byteLength} bytes`,
        remedy: "verify the bundle",
      });
    }
    this.bytes(address, bytes).set(data);
  }

  private bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.team.memory.buffer, address, length);
  }

  private reserve(end: number): void {
    const missing = Math.ceil(end / WASM_PAGE_BYTES) - this.team.memory.buffer.byteLength / WASM_PAGE_BYTES;
    if (missing <= 0) return;
    try {
      this.team.memory.grow(missing);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw memoryError("the program's memory", end, this.team.memory.buffer.byteLength, cause);
    }
  }

  private bound(): Bindings {
    if (this.bindings === undefined) throw new Error("bind comes before run, read and write");
    return this.bindings;
  }

  private place(id: string): { readonly address: number; readonly bytes: number; readonly dtype: string } {
    const bindings = this.bound();
    const buffer = this.buffers.get(id);
    const address = this.addresses.get(id);
    if (buffer === undefined || address === undefined) {
      throw new TritcError({
        code: "TRITC_E_BUFFER",
        message: "the program has no such buffer in memory",
        place: id,
        remedy: "use the buffers of the program's inputs and outputs",
      });
    }
    return { address, bytes: elementBytes(buffer, bindings), dtype: buffer.dtype };
  }
}
