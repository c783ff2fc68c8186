import type { Bindings } from "../../ir/dim.js";
import { evaluateDim } from "../../ir/dim.js";
import { byteLength } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import { phasesNamed } from "../../ir/program/phases.js";
import type { Launch, Program, ProgramBuffer, StorageKind } from "../../ir/program/program.js";
import { type PromptTurn, scheduleWeights, type WeightSchedule } from "../../ir/program/prompt-weights.js";
import { verifyProgramSizes } from "../../ir/program/verify-sizes.js";
import {
  bufferBytes,
  buffersById,
  elementBytes,
  isKept,
  runAllocations,
  stagedBy,
} from "../../targets/memory/buffers.js";
import type { PlanLimits } from "../../targets/target.js";
import { LaunchPlanner, type PlannedDispatch } from "../../targets/webgpu/dispatches.js";
import type { LoadedProgram, LoadOptions, WeightSource } from "../device.js";
import { checkWriteSize } from "../write-size.js";
import type { CompiledKernel } from "./compile-kernels.js";
import { lostError, scoped } from "./errors.js";
import { DeviceMemory, Ledger } from "./memory.js";
import type { PassClock } from "./pass-clock.js";
import type { QueueWatch } from "./queue-watch.js";
import { Submission } from "./submission.js";

/** What a program needs of its device. */
export interface ProgramHost {
  readonly device: GPUDevice;
  readonly limits: PlanLimits;
  readonly queue: QueueWatch;
  /** Of devices that were opened for timing and have one. */
  readonly clock: PassClock | undefined;
  /** Why the device was lost, or undefined. */
  lost(): string | undefined;
}

/** What a run has memory for. */
const RUN_KINDS: ReadonlySet<StorageKind> = new Set(["arena", "host", "state"]);

type HostArray = Float32Array | Int32Array | Uint32Array | Int8Array;

/** A program whose kernels are compiled; `load` uploads its weights. */
export class WebGpuProgram implements LoadedProgram {
  /** What is bound: the loaded program, or another form of it. */
  private program: Program;
  private buffers: ReadonlyMap<string, ProgramBuffer>;
  private readonly ledger = new Ledger();
  private readonly memory: DeviceMemory;
  private schedule: WeightSchedule;
  private readonly submissions = new Map<string, Submission>();
  private bindings: Bindings | undefined;
  private boundTo = "";

  constructor(
    private readonly host: ProgramHost,
    private readonly loaded: Program,
    private readonly kernels: ReadonlyMap<string, CompiledKernel>,
    /** Where streamed weights are read again. */
    private readonly weights: WeightSource,
    private readonly options: LoadOptions = {},
  ) {
    this.program = loaded;
    this.schedule = scheduleWeights(loaded, options.promptWeights ?? "keep");
    this.buffers = buffersById(loaded);
    this.memory = new DeviceMemory(host.device, host.queue, this.ledger);
  }

  /** Uploads weights and runs `load`; what is only needed for that is freed as soon as it was used. */
  async load(): Promise<void> {
    const { device } = this.host;
    const { load: launches, streamed } = this.schedule;
    await scoped(device, "weights", async () => {
      for (const buffer of this.program.buffers) {
        if (!isKept(buffer) || streamed.has(buffer.id)) continue;
        this.memory.allocate([buffer.id], this.sizeOf(buffer));
        await this.fill(buffer);
      }
    });
    const lastUse = new Map<string, number>();
    for (const [i, launch] of launches.entries()) for (const arg of launch.args) lastUse.set(arg.buffer, i);
    for (const [i, launch] of launches.entries()) {
      await this.alive();
      await scoped(device, `launch ${launch.label}`, async () => {
        for (const id of new Set(launch.args.map((arg) => arg.buffer))) {
          if (!this.memory.has(id)) await this.stage(id);
        }
        this.submitOnce("load", launch, {}, 0);
      });
      const done = launch.args.map((arg) => arg.buffer).filter((id) => lastUse.get(id) === i);
      this.memory.free(done.filter((id) => this.buffer(id).storage.kind === "staging"));
    }
    await this.memory.settle();
    await this.alive();
  }

  async bind(bindings: Bindings, form: Program = this.loaded): Promise<void> {
    const key = JSON.stringify(form.symbols.map((name) => [name, bindings[name]]));
    if (this.bindings !== undefined && form === this.program && key === this.boundTo) return;
    await this.alive();
    verifyProgramSizes(form, bindings);
    this.release();
    if (form !== this.program) {
      this.program = form;
      this.buffers = buffersById(form);
      this.schedule = scheduleWeights(form, this.options.promptWeights ?? "keep");
    }
    try {
      await scoped(this.host.device, "buffers of the model", () => this.allocateRun(bindings));
    } catch (error) {
      this.release();
      throw error;
    }
    this.bindings = bindings;
    this.boundTo = key;
  }

  /** Buffers of inputs and intermediate values, and launches with their words. */
  private allocateRun(bindings: Bindings): void {
    for (const { buffers, bytes } of runAllocations(this.program, bindings)) {
      this.memory.allocate(buffers, bytes);
    }
    const planner = new LaunchPlanner(this.program, bindings, this.host.limits);
    for (const { name, runs, launches } of this.program.phases) {
      if (runs === "load") continue;
      // The weights of a streamed prompt have no buffers yet.
      const streams = runs === "prompt" && this.schedule.turns.length > 0;
      const dispatches = (streams ? [] : launches).flatMap((launch) => this.plan(planner, launch));
      this.submissions.set(name, this.submission(dispatches));
    }
  }

  write(buffer: string, data: Float32Array | Int32Array): void {
    const target = this.buffer(buffer);
    const bytes = elementBytes(target, this.bindings ?? {});
    checkWriteSize(buffer, bytes, data);
    const { queue } = this.host.device;
    queue.writeBuffer(this.memory.of(buffer), 0, data.buffer, data.byteOffset, data.byteLength);
  }

  async run(phases: readonly string[], step: number): Promise<void> {
    await this.runPhases(phases, step);
  }

  /**
   * As `run` of phases without prompts, and without copies before their first pass; resolves to the seconds that the device took by its
   * own clock, or undefined where that cannot be believed.
   */
  async timed(phases: readonly string[], step: number): Promise<number | undefined> {
    const { clock } = this.host;
    const begun = performance.now();
    const isTimed = await this.runPhases(phases, step, clock);
    return isTimed ? clock?.seconds((performance.now() - begun) / 1000) : undefined;
  }

  /** Whether anything was dispatched. */
  private async runPhases(phases: readonly string[], step: number, clock?: PassClock): Promise<boolean> {
    if (this.bindings === undefined) throw new RangeError("bind the program before it runs");
    await this.alive();
    const { device } = this.host;
    if (phasesNamed(this.program, phases).some(({ runs }) => runs === "prompt")) {
      for (const turn of this.schedule.turns) await this.runTurn(turn, step);
    }
    const parts = phases.flatMap((phase) => {
      const submission = this.submissions.get(phase);
      return submission === undefined || submission.isEmpty ? [] : [{ phase, submission }];
    });
    const place = `phases ${phases.join(", ")}`;
    await scoped(device, place, async () => {
      for (const [i, { phase, submission }] of parts.entries()) {
        submission.begin(step);
        submission.submit(this.host.queue, phase, clock?.marks(i === 0, i === parts.length - 1));
      }
    });
    await this.host.queue.settle();
    await this.alive(place);
    return parts.length > 0;
  }

  async read(buffer: string): Promise<HostArray> {
    await this.alive();
    const { device } = this.host;
    const source = this.buffer(buffer);
    const elements = this.elementsOf(source);
    const size = Math.ceil(byteLength(source.dtype, elements) / 4) * 4;
    const back = device.createBuffer({
      label: `read ${buffer}`,
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(this.memory.of(buffer), 0, back, 0, size);
      device.queue.submit([encoder.finish()]);
      const mapped = back.mapAsync(GPUMapMode.READ).catch(async (cause: unknown) => {
        await this.alive();
        throw cause;
      });
      await this.host.queue.wait(`reading ${buffer}`, mapped);
      return viewOf(source, back.getMappedRange().slice(0), elements);
    } finally {
      back.destroy();
    }
  }

  memoryBytes(): number {
    return this.ledger.bytes;
  }

  peakMemoryBytes(): number {
    return this.ledger.peak;
  }

  async close(): Promise<void> {
    for (const submission of this.submissions.values()) submission.destroy();
    this.submissions.clear();
    this.memory.freeAll();
    this.bindings = undefined;
  }

  private buffer(id: string): ProgramBuffer {
    const buffer = this.buffers.get(id);
    if (buffer === undefined) {
      throw new TritcError({
        code: "TRITC_E_BUFFER",
        message: "the program has no such buffer",
        found: id,
        remedy: "use a buffer that the program's inputs and outputs name",
      });
    }
    return buffer;
  }

  private elementsOf(buffer: ProgramBuffer): number {
    return evaluateDim(buffer.elements, this.bindings ?? {});
  }

  private sizeOf(buffer: ProgramBuffer): number {
    return bufferBytes(buffer, this.bindings ?? {});
  }

  private async fill(buffer: ProgramBuffer): Promise<void> {
    if (buffer.storage.kind !== "weight" && buffer.storage.kind !== "staging") return;
    const expected = elementBytes(buffer, this.bindings ?? {});
    await this.memory.upload(buffer, expected, await this.weights.bytes(buffer.storage.tensor));
  }

  /** Allocates a buffer for a short time, and fills it if it is a tensor. */
  private async stage(id: string): Promise<void> {
    const buffer = this.buffer(id);
    this.memory.allocate([id], this.sizeOf(buffer));
    await this.fill(buffer);
  }

  /** One launch of a streamed prompt, with its weights on the device for that time only. */
  private async runTurn(turn: PromptTurn, step: number): Promise<void> {
    const own = [...turn.weights, ...turn.residents];
    await scoped(this.host.device, `launch ${turn.launch.label}`, async () => {
      try {
        for (const id of own) await this.stage(id);
        for (const launch of turn.unpack) {
          const staged = stagedBy(launch, this.buffers).map(({ id }) => id);
          try {
            for (const id of staged) await this.stage(id);
            this.submitOnce("load", launch, {}, 0);
          } finally {
            this.memory.free(staged);
          }
        }
        this.submitOnce("prompt", turn.launch, this.bindings ?? {}, step);
      } finally {
        this.memory.free(own);
      }
    });
  }

  /** Frees what a run has memory for. */
  private release(): void {
    for (const submission of this.submissions.values()) submission.destroy();
    this.submissions.clear();
    const buffers = this.program.buffers.filter(({ storage: { kind } }) => RUN_KINDS.has(kind));
    this.memory.free(buffers.map((buffer) => buffer.id));
    this.bindings = undefined;
  }

  private plan(planner: LaunchPlanner, launch: Launch): readonly PlannedDispatch[] {
    const kernel = this.kernels.get(launch.kernel);
    if (kernel === undefined) throw new RangeError(`kernel ${launch.kernel} is not compiled`);
    return planner.plan(launch, kernel.kernel);
  }

  private submission(dispatches: readonly PlannedDispatch[]): Submission {
    return new Submission(this.host.device, dispatches, this.kernels, this.memory, this.ledger);
  }

  private submitOnce(phase: string, launch: Launch, bindings: Bindings, step: number): void {
    const planner = new LaunchPlanner(this.program, bindings, this.host.limits);
    const submission = this.submission(this.plan(planner, launch));
    submission.begin(step);
    submission.submit(this.host.queue, phase);
    submission.destroy();
  }

  /** Throws where the device is gone. Its promise settles in a later turn, so give it one. */
  private async alive(place?: string): Promise<void> {
    await Promise.resolve();
    this.host.queue.throwIfStalled();
    const reason = this.host.lost();
    if (reason !== undefined) throw lostError(reason, place);
  }
}

function viewOf(buffer: ProgramBuffer, bytes: ArrayBuffer, elements: number): HostArray {
  switch (buffer.dtype) {
    case "f32":
      return new Float32Array(bytes, 0, elements);
    case "i32":
      return new Int32Array(bytes, 0, elements);
    case "u32":
      return new Uint32Array(bytes, 0, elements);
    case "i8":
      return new Int8Array(bytes, 0, elements);
    case "f16":
    case "bf16":
    case "u8":
      throw new TritcError({
        code: "TRITC_E_BUFFER",
        message: `buffers of ${buffer.dtype} cannot be read back`,
        place: buffer.id,
        remedy: "read an output of the program",
      });
  }
}
