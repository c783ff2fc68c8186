import type { Bindings } from "../../../ir/dim.js";
import { TritcError } from "../../../ir/errors.js";
import { phasesNamed } from "../../../ir/program/phases.js";
import type { Launch, Program, ProgramBuffer } from "../../../ir/program/program.js";
import { scheduleWeights, type WeightSchedule } from "../../../ir/program/prompt-weights.js";
import { verifyProgramSizes } from "../../../ir/program/verify-sizes.js";
import { planKept, planRun, planStaging, planTurn } from "../../../targets/cuda/memory.js";
import { buffersById, elementBytes } from "../../../targets/memory/buffers.js";
import type { KernelCode, LoadedProgram, LoadOptions, WeightSource } from "../../device.js";
import { checkWriteSize } from "../../write-size.js";
import { CUDA_SUCCESS } from "./api.js";
import type { CudaContext } from "./context.js";
import { cudaError, synchronous } from "./errors.js";
import { CapturedGraph } from "./graph.js";
import { LaunchList } from "./launches.js";
import { LoadedKernels } from "./loaded-kernels.js";
import { DeviceMemory } from "./memory.js";
import { launchPlace, type PlannedLaunch, planLaunch } from "./planned-launches.js";
import { type LaunchTime, profileLaunches, timeBetween } from "./profile.js";
import { Transfers } from "./transfers.js";

type HostArray = Float32Array | Int32Array | Uint32Array | Int8Array | Uint16Array;

/** A program on a CUDA device: an allocation that stays and one per size, one stream, and a graph for each list of phases that was run. */
export class CudaProgram implements LoadedProgram {
  /** What is bound: the loaded program, or another form of it. */
  #program: Program;
  #buffers: ReadonlyMap<string, ProgramBuffer>;
  readonly #stream: bigint;
  readonly #memory: DeviceMemory;
  readonly #transfers: Transfers;
  readonly #lists = new Map<string, LaunchList>();
  /** By the phases joined with `+`. */
  readonly #graphs = new Map<string, CapturedGraph>();
  /** Lists of phases that ran with the bound sizes. */
  readonly #ran = new Set<string>();
  #schedule: WeightSchedule;
  #kernels: LoadedKernels | undefined;
  #bindings: Bindings | undefined;
  #boundTo = "";
  #closed = false;

  private constructor(
    private readonly context: CudaContext,
    private readonly loaded: Program,
    /** Whether to wait for each launch, so that an error is that launch's. */
    private readonly synchronous: boolean,
    /** Where streamed weights are read again. */
    private readonly weights: WeightSource,
    private readonly promptWeights: NonNullable<LoadOptions["promptWeights"]>,
  ) {
    this.#program = loaded;
    this.#schedule = scheduleWeights(loaded, promptWeights);
    this.#buffers = buffersById(loaded);
    context.enter();
    this.#stream = context.createStream();
    this.#memory = new DeviceMemory(context);
    this.#transfers = new Transfers(context, this.#stream);
  }

  /** Loads kernels, uploads weights and runs `load`. Frees everything where that fails. */
  static async load(
    context: CudaContext,
    program: Program,
    code: KernelCode,
    weights: WeightSource,
    options: {
      readonly synchronous?: boolean | undefined;
      readonly promptWeights?: LoadOptions["promptWeights"] | undefined;
    } = {},
  ): Promise<CudaProgram> {
    const { synchronous: slow = synchronous(), promptWeights = "keep" } = options;
    const loaded = new CudaProgram(context, program, slow, weights, promptWeights);
    try {
      // Kernels first: a GPU without any is found before the weights are read.
      loaded.#kernels = await LoadedKernels.load(context, program, code);
      await loaded.#load();
      return loaded;
    } catch (error) {
      await loaded.close();
      throw error;
    }
  }

  async bind(bindings: Bindings, form: Program = this.loaded): Promise<void> {
    const key = JSON.stringify(form.symbols.map((name) => [name, bindings[name]]));
    if (this.#bindings !== undefined && form === this.#program && key === this.#boundTo) return;
    verifyProgramSizes(form, bindings);
    this.context.enter();
    this.#unbind();
    if (form !== this.#program) {
      this.#program = form;
      this.#buffers = buffersById(form);
      this.#schedule = scheduleWeights(form, this.promptWeights);
    }
    const plan = planRun(form, bindings);
    const sizes = form.symbols.map((name) => `${name} = ${bindings[name]}`).join(", ");
    this.#memory.allocate("run", plan, `buffers of the model${sizes === "" ? "" : ` (${sizes})`}`);
    try {
      for (const { name, runs, launches } of this.#program.phases) {
        // The weights of a streamed prompt have no addresses yet.
        if (runs === "load" || (runs === "prompt" && this.#schedule.turns.length > 0)) continue;
        const planned = launches.flatMap((launch) => planLaunch(launch, this.#planInputs(bindings)));
        this.#lists.set(name, new LaunchList(this.context.driver, planned));
      }
    } catch (error) {
      this.#unbind();
      throw error;
    }
    this.#bindings = bindings;
    this.#boundTo = key;
  }

  write(buffer: string, data: Float32Array | Int32Array): void {
    const target = this.#buffer(buffer);
    checkWriteSize(buffer, elementBytes(target, this.#bindings ?? {}), data);
    if (data.byteLength === 0) return;
    this.context.enter();
    const { driver } = this.context;
    // From memory that is not pinned the driver has taken a copy when the call returns.
    driver.call(
      `buffer ${buffer}`,
      "cuMemcpyHtoDAsync_v2",
      this.#memory.address(buffer),
      data,
      data.byteLength,
      this.#stream,
    );
  }

  /** Launches phases the first time, which also loads their kernels, and replays a graph of them from then on. */
  async run(phases: readonly string[], step: number): Promise<void> {
    const named = phasesNamed(this.#program, phases);
    if (named.some(({ runs }) => runs === "prompt") && this.#schedule.turns.length > 0) {
      for (const { name, runs } of named)
        await (runs === "prompt" ? this.#streamPrompt(name, step) : this.run([name], step));
      return;
    }
    await this.#submit(phases, step);
    await this.context.synchronize(this.#stream, placeOf(phases, step));
  }

  /** As `run` of phases without prompts; resolves to the seconds that the device took, by its own clock. */
  async timed(phases: readonly string[], step: number): Promise<number> {
    this.context.enter();
    return timeBetween(this.context, this.#stream, placeOf(phases, step), () => this.#submit(phases, step));
  }

  async #submit(phases: readonly string[], step: number): Promise<void> {
    const lists = this.#begin(phases, step);
    if (this.synchronous) {
      for (const list of lists) await this.#launchOneByOne(list);
    } else if (this.#ran.has(phases.join("+")) && lists.some((list) => list.launches.length > 0)) {
      this.#graph(phases, lists).launch(this.#stream);
    } else {
      for (const list of lists) list.launchAll(this.#stream);
      this.#ran.add(phases.join("+"));
    }
  }

  /** Runs phases launch by launch and says how long each took on the device. */
  async profile(phases: readonly string[], step: number): Promise<readonly LaunchTime[]> {
    const lists = this.#begin(phases, step);
    return profileLaunches(this.context, this.#stream, lists, placeOf(phases, step));
  }

  async read(buffer: string): Promise<HostArray> {
    const source = this.#buffer(buffer);
    const address = this.#memory.address(buffer);
    const bytes = new Uint8Array(elementBytes(source, this.#bindings ?? {}));
    const view = viewOf(source, bytes.buffer);
    await this.#transfers.download(bytes, address, `buffer ${buffer}`);
    return view;
  }

  memoryBytes(): number {
    return this.#memory.bytes;
  }

  peakMemoryBytes(): number {
    return this.#memory.peakBytes;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { driver } = this.context;
    if (!this.context.tryEnter()) return;
    // What failed is known already.
    await this.context.wait("cuStreamSynchronize", this.#stream);
    if (!this.context.tryEnter()) return;
    this.#unbind();
    this.#transfers.release();
    for (const region of ["staging", "turn", "kept"] as const) this.#memory.free(region);
    this.#kernels?.unload();
    driver.result("cuStreamDestroy_v2", this.#stream);
  }

  /** Weights in one allocation; staged tensors take turns in another, which is freed at the end. */
  async #load(): Promise<void> {
    const { driver } = this.context;
    this.context.enter();
    this.#memory.allocate("kept", planKept(this.#program, this.#schedule.streamed), "the model's weights");
    driver.call("the step index", "cuMemsetD32Async", this.#memory.start("kept"), 0, 1, this.#stream);
    const { load, streamed } = this.#schedule;
    for (const buffer of this.#program.buffers) {
      if (buffer.storage.kind === "weight" && !streamed.has(buffer.id)) await this.#fill(buffer);
    }
    this.context.enter();
    const plans = load.map((launch) => planStaging(launch, this.#buffers));
    const bytes = plans.reduce((most, plan) => Math.max(most, plan.bytes), 0);
    this.#memory.allocate("staging", { offsets: new Map(), bytes }, "packed weights while they are unpacked");
    for (const [i, launch] of load.entries()) {
      // The stream keeps a tensor from being overwritten before the launch that reads it.
      const { offsets } = plans[i] ?? { offsets: new Map<string, number>() };
      this.#memory.arrange("staging", offsets);
      for (const id of offsets.keys()) await this.#fill(this.#buffer(id));
      await this.#launchOnce(launch, {});
    }
    await this.context.synchronize(this.#stream, "unpacking weights");
    this.context.enter();
    this.#memory.free("staging");
    this.#transfers.release();
  }

  /** Runs a prompt launch by launch; the weights of each take turns in memory that is freed at the end. */
  async #streamPrompt(phase: string, step: number): Promise<void> {
    this.#begin([phase], step);
    const plans = this.#schedule.turns.map((turn) => ({ turn, plan: planTurn(turn, this.#buffers) }));
    const bytes = plans.reduce((most, { plan }) => Math.max(most, plan.bytes), 0);
    this.#memory.allocate("turn", { offsets: new Map(), bytes }, "weights that only a prompt needs");
    try {
      for (const { turn, plan } of plans) {
        // The stream keeps weights from being overwritten before the launch that reads them.
        this.#memory.arrange("turn", plan.offsets);
        for (const id of turn.weights) await this.#fill(this.#buffer(id));
        for (const [i, launch] of turn.unpack.entries()) {
          const offsets = plan.unpack[i] ?? plan.offsets;
          this.#memory.arrange("turn", offsets);
          for (const id of offsets.keys()) {
            const buffer = this.#buffer(id);
            if (buffer.storage.kind === "staging") await this.#fill(buffer);
          }
          await this.#launchOnce(launch, {});
        }
        await this.#launchOnce(turn.launch, this.#bindings ?? {});
      }
      await this.context.synchronize(this.#stream, placeOf([phase], step));
    } finally {
      // What is still under way may use the memory, and a failure is known already.
      await this.context.wait("cuStreamSynchronize", this.#stream);
      if (this.context.tryEnter()) {
        this.#memory.free("turn");
        this.#transfers.release();
      }
    }
  }

  async #launchOnce(launch: Launch, bindings: Bindings): Promise<void> {
    this.context.enter();
    const list = new LaunchList(this.context.driver, planLaunch(launch, this.#planInputs(bindings)));
    if (this.synchronous) await this.#launchOneByOne(list);
    else list.launchAll(this.#stream);
  }

  async #fill(buffer: ProgramBuffer): Promise<void> {
    const { storage } = buffer;
    if (storage.kind !== "weight" && storage.kind !== "staging") return;
    const data = await this.weights.bytes(storage.tensor);
    const expected = elementBytes(buffer, {});
    if (data.byteLength !== expected) {
      throw new TritcError({
        code: "TRITC_E_BUFFER_SIZE",
        message: "the tensor in the weight file does not have the size the program needs",
        place: storage.tensor,
        expected: `${expected} bytes`,
        found: `${data.byteLength} bytes`,
        remedy: "compile the bundle again: its files do not belong together",
      });
    }
    await this.#transfers.upload(this.#memory.address(buffer.id), data, `weight ${storage.tensor}`);
  }

  /** What every run starts with: the context, the step index, the launches. */
  #begin(phases: readonly string[], step: number): readonly LaunchList[] {
    if (this.#bindings === undefined) throw new RangeError("bind the program before it runs");
    this.context.enter();
    const { driver } = this.context;
    driver.call("the step index", "cuMemsetD32Async", this.#memory.start("kept"), step, 1, this.#stream);
    return phases.flatMap((phase) => this.#lists.get(phase) ?? []);
  }

  #graph(phases: readonly string[], lists: readonly LaunchList[]): CapturedGraph {
    const key = phases.join("+");
    const known = this.#graphs.get(key);
    if (known !== undefined) return known;
    const graph = CapturedGraph.capture(this.context.driver, this.#stream, `phases ${key}`, () => {
      for (const list of lists) list.launchAll(this.#stream);
    });
    this.#graphs.set(key, graph);
    return graph;
  }

  async #launchOneByOne(list: LaunchList): Promise<void> {
    for (const [i, planned] of list.launches.entries()) {
      this.context.enter();
      list.launch(i, this.#stream);
      const result = await this.context.wait("cuStreamSynchronize", this.#stream);
      if (result !== CUDA_SUCCESS) throw this.#launchError(result, planned);
    }
  }

  #launchError(result: number, planned: PlannedLaunch): TritcError {
    const place = launchPlace(planned);
    return cudaError(this.context.driver.failure(result, "cuStreamSynchronize", place), { alone: true });
  }

  #planInputs(bindings: Bindings): Parameters<typeof planLaunch>[1] {
    const kernels = this.#kernels;
    return {
      bindings,
      kernel(id) {
        if (kernels === undefined) throw new RangeError("kernels are not loaded");
        return kernels.get(id);
      },
      address: (buffer) => this.#memory.address(buffer),
      step: this.#memory.start("kept"),
      multiprocessors: this.context.info.multiprocessors,
    };
  }

  #buffer(id: string): ProgramBuffer {
    const buffer = this.#buffers.get(id);
    if (buffer !== undefined) return buffer;
    throw new TritcError({
      code: "TRITC_E_BUFFER",
      message: "the program has no such buffer",
      found: id,
      remedy: "use a buffer that the program's inputs and outputs name",
    });
  }

  #unbind(): void {
    for (const graph of this.#graphs.values()) graph.destroy();
    this.#graphs.clear();
    this.#ran.clear();
    this.#lists.clear();
    this.#memory.free("run");
    this.#bindings = undefined;
  }
}

function placeOf(phases: readonly string[], step: number): string {
  return `phases ${phases.join(", ")} at step ${step}`;
}

function viewOf(buffer: ProgramBuffer, bytes: ArrayBuffer): HostArray {
  switch (buffer.dtype) {
    case "f32":
      return new Float32Array(bytes);
    case "i32":
      return new Int32Array(bytes);
    case "u32":
      return new Uint32Array(bytes);
    case "i8":
      return new Int8Array(bytes);
    case "bf16":
      return new Uint16Array(bytes);
    case "f16":
    case "u8":
      throw new TritcError({
        code: "TRITC_E_BUFFER",
        message: `buffers of ${buffer.dtype} cannot be read back`,
        place: buffer.id,
        remedy: "read an output of the program",
      });
  }
}
