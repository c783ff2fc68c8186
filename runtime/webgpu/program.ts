import type { Bindings } from "../../ir/dim.js";
import { evaluateDim } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import {
  DEVICE_BYTES,
  type Launch,
  PHASES,
  type Phase,
  type Program,
  type ProgramBuffer,
} from "../../ir/program/program.js";
import { verifyProgramSizes } from "../../ir/program/verify-sizes.js";
import type { LoadedProgram, WeightSource } from "../device.js";
import { checkWriteSize } from "../write-size.js";
import { limitError, lostError, scoped } from "./errors.js";
import type { CompiledKernel } from "./kernels.js";
import { DeviceMemory } from "./memory.js";
import { bufferBytes, LaunchPlanner, type PlanLimits, type PlannedDispatch } from "../../ir/program/memory/wgsl-plan.js";
import { Submission } from "./submission.js";

/** What a program needs of its device. */
export interface ProgramHost {
  readonly device: GPUDevice;
  readonly limits: PlanLimits;
  /** Why the device was lost, or undefined. */
  lost(): string | undefined;
}

type HostArray = Float32Array | Int32Array | Uint32Array | Int8Array;

/** A program whose kernels are compiled; `load` uploads its weights. */
export class WebGpuProgram implements LoadedProgram {
  private readonly buffers: ReadonlyMap<string, ProgramBuffer>;
  private readonly memory: DeviceMemory;
  private readonly submissions = new Map<Phase, Submission>();
  private bindings: Bindings | undefined;
  private boundTo = "";

  constructor(
    private readonly host: ProgramHost,
    private readonly program: Program,
    private readonly kernels: ReadonlyMap<string, CompiledKernel>,
  ) {
    this.buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
    this.memory = new DeviceMemory(host.device);
  }

  /** Uploads weights and runs `load`; what is only needed for that is freed as soon as it was used. */
  async load(weights: WeightSource): Promise<void> {
    const { device } = this.host;
    await scoped(device, "weights", async () => {
      for (const buffer of this.program.buffers) {
        const { kind } = buffer.storage;
        if (kind !== "weight" && kind !== "resident") continue;
        this.memory.allocate([buffer.id], this.sizeOf(buffer));
        if (kind === "weight") await this.fill(buffer, weights);
      }
    });
    const launches = this.program.phases.load;
    const lastUse = new Map<string, number>();
    for (const [i, launch] of launches.entries()) for (const arg of launch.args) lastUse.set(arg.buffer, i);
    for (const [i, launch] of launches.entries()) {
      await this.alive();
      await scoped(device, `launch ${launch.label}`, async () => {
        for (const id of new Set(launch.args.map((arg) => arg.buffer))) {
          if (!this.memory.has(id)) await this.stage(this.buffer(id), weights);
        }
        this.submitOnce(launch);
      });
      const done = launch.args.map((arg) => arg.buffer).filter((id) => lastUse.get(id) === i);
      this.memory.free(done.filter((id) => this.buffer(id).storage.kind === "staging"));
    }
    await this.memory.settle();
    await this.alive();
  }

  async bind(bindings: Bindings): Promise<void> {
    const key = JSON.stringify(this.program.symbols.map((name) => [name, bindings[name]]));
    if (this.bindings !== undefined && key === this.boundTo) return;
    await this.alive();
    verifyProgramSizes(this.program, bindings);
    const dynamic = this.program.buffers.filter(
      ({ storage: { kind } }) => kind === "arena" || kind === "host",
    );
    this.release(dynamic);
    this.bindings = bindings;
    await scoped(this.host.device, "buffers of the model", () => {
      this.allocate(dynamic);
      const planner = new LaunchPlanner(this.program, bindings, this.host.limits);
      for (const phase of PHASES) {
        if (phase === "load") continue;
        const dispatches = this.program.phases[phase].flatMap((launch) => this.plan(planner, launch));
        this.submissions.set(phase, new Submission(this.host.device, dispatches, this.kernels, this.memory));
      }
    });
    this.boundTo = key;
  }

  write(buffer: string, data: Float32Array | Int32Array): void {
    const target = this.buffer(buffer);
    const bytes = this.elementsOf(target) * DEVICE_BYTES[target.dtype];
    checkWriteSize(buffer, bytes, data);
    const { queue } = this.host.device;
    queue.writeBuffer(this.memory.of(buffer), 0, data.buffer, data.byteOffset, data.byteLength);
  }

  async run(phases: readonly Phase[], step: number): Promise<void> {
    if (this.bindings === undefined) throw new RangeError("bind the program before it runs");
    await this.alive();
    const { device } = this.host;
    const parts = phases.map((phase) => [phase, this.submissions.get(phase)] as const);
    await scoped(device, `phases ${phases.join(", ")}`, async () => {
      const encoder = device.createCommandEncoder();
      for (const [phase, submission] of parts) {
        submission?.writeWords(step);
        submission?.encode(encoder, phase);
      }
      device.queue.submit([encoder.finish()]);
    });
    await device.queue.onSubmittedWorkDone();
    await this.alive();
  }

  async read(buffer: string): Promise<HostArray> {
    await this.alive();
    const { device } = this.host;
    const source = this.buffer(buffer);
    const elements = this.elementsOf(source);
    const size = Math.ceil((elements * DEVICE_BYTES[source.dtype]) / 4) * 4;
    const back = device.createBuffer({
      label: `read ${buffer}`,
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(this.memory.of(buffer), 0, back, 0, size);
      device.queue.submit([encoder.finish()]);
      await back.mapAsync(GPUMapMode.READ).catch(async (cause: unknown) => {
        await this.alive();
        throw cause;
      });
      return viewOf(source, back.getMappedRange().slice(0), elements);
    } finally {
      back.destroy();
    }
  }

  memoryBytes(): number {
    return [...this.submissions.values()].reduce((sum, { bytes }) => sum + bytes, this.memory.bytes);
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

  private async fill(buffer: ProgramBuffer, weights: WeightSource): Promise<void> {
    if (buffer.storage.kind !== "weight" && buffer.storage.kind !== "staging") return;
    const expected = this.elementsOf(buffer) * DEVICE_BYTES[buffer.dtype];
    await this.memory.upload(buffer, expected, await weights.bytes(buffer.storage.tensor));
  }

  private async stage(buffer: ProgramBuffer, weights: WeightSource): Promise<void> {
    this.memory.allocate([buffer.id], this.sizeOf(buffer));
    await this.fill(buffer, weights);
  }

  /** Memory of inputs and intermediate values. A slot is as large as its largest member. */
  private allocate(buffers: readonly ProgramBuffer[]): void {
    const slots = new Map<number, ProgramBuffer[]>();
    for (const buffer of buffers) {
      if (buffer.storage.kind !== "arena") {
        this.memory.allocate([buffer.id], this.sizeOf(buffer));
        continue;
      }
      const members = slots.get(buffer.storage.slot);
      if (members === undefined) slots.set(buffer.storage.slot, [buffer]);
      else members.push(buffer);
    }
    const { maxBufferSize } = this.host.device.limits;
    for (const members of slots.values()) {
      const largest = members.reduce((a, b) => (this.sizeOf(b) > this.sizeOf(a) ? b : a));
      const bytes = this.sizeOf(largest);
      if (bytes > maxBufferSize)
        throw limitError(`buffer ${largest.id}`, "its size in bytes", bytes, maxBufferSize);
      this.memory.allocate(
        members.map((member) => member.id),
        bytes,
      );
    }
  }

  private release(buffers: readonly ProgramBuffer[]): void {
    for (const submission of this.submissions.values()) submission.destroy();
    this.submissions.clear();
    this.memory.free(buffers.map((buffer) => buffer.id));
    this.bindings = undefined;
  }

  private plan(planner: LaunchPlanner, launch: Launch): readonly PlannedDispatch[] {
    const kernel = this.kernels.get(launch.kernel);
    if (kernel === undefined) throw new RangeError(`kernel ${launch.kernel} is not compiled`);
    return planner.plan(launch, kernel.kernel);
  }

  private submitOnce(launch: Launch): void {
    const { device } = this.host;
    const planner = new LaunchPlanner(this.program, {}, this.host.limits);
    const submission = new Submission(device, this.plan(planner, launch), this.kernels, this.memory);
    submission.writeWords(0);
    const encoder = device.createCommandEncoder();
    submission.encode(encoder, "load");
    device.queue.submit([encoder.finish()]);
    submission.destroy();
  }

  /** Throws where the device is gone. Its promise settles in a later turn, so give it one. */
  private async alive(): Promise<void> {
    await Promise.resolve();
    const reason = this.host.lost();
    if (reason !== undefined) throw lostError(reason);
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
