import type { PlannedDispatch } from "../../targets/webgpu/dispatches.js";
import { placeWords, scratchSize, scratchSizes, wordBytes } from "../../targets/webgpu/memory.js";
import type { CompiledKernel } from "./compile-kernels.js";
import type { DeviceMemory, Ledger } from "./memory.js";
import { type PassMarks, passWrites } from "./pass-clock.js";
import type { QueueWatch } from "./queue-watch.js";

/** Dispatches of one submission. */
const AT_ONCE = 8;

interface Copy {
  readonly from: GPUBuffer;
  readonly offset: number;
  readonly to: GPUBuffer;
  readonly size: number;
}

interface Bound {
  readonly group: GPUBindGroup;
  readonly copies: readonly Copy[];
}

interface Prepared {
  readonly dispatch: PlannedDispatch;
  readonly kernel: CompiledKernel;
  /** At the step that runs. */
  bound: Bound;
  /** Byte offset of its words in the uniform buffer. */
  readonly wordsAt: number;
}

/**
 * Dispatches with everything they need on the device: bind groups, launch words, scratch memory for operands that a
 * dispatch may not bind where they are. Made once per set of symbols, encoded once per run.
 */
export class Submission {
  private readonly prepared: readonly Prepared[];
  private readonly words: GPUBuffer;
  private readonly mirror: Uint32Array<ArrayBuffer>;
  private readonly scratch: GPUBuffer[] = [];
  /** What bindings are bound for. */
  private step = 0;

  constructor(
    private readonly device: GPUDevice,
    dispatches: readonly PlannedDispatch[],
    kernels: ReadonlyMap<string, CompiledKernel>,
    private readonly memory: DeviceMemory,
    private readonly ledger: Ledger,
  ) {
    const compiled = new Map([...kernels.values()].map((kernel) => [kernel.kernel.id, kernel]));
    const used = dispatches.map((dispatch): CompiledKernel => {
      const kernel = compiled.get(dispatch.kernel);
      if (kernel === undefined) throw new RangeError(`kernel ${dispatch.kernel} is not compiled`);
      return kernel;
    });
    const words = placeWords(used.map(({ kernel }) => kernel));
    this.mirror = new Uint32Array(words.bytes / 4);
    this.words = device.createBuffer({
      label: "launch words",
      size: this.mirror.byteLength,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    ledger.add(this.words.size);
    this.allocateScratch(dispatches);
    this.prepared = used.map((kernel, i): Prepared => {
      const dispatch = dispatches[i] as PlannedDispatch;
      const wordsAt = words.offsets[i] ?? 0;
      this.mirror.set(dispatch.words, wordsAt / 4);
      return { dispatch, kernel, wordsAt, bound: this.bind(dispatch, kernel, 0) };
    });
  }

  /** Writes the words of a step into the queue, and moves the bindings that hold one step's elements alone. */
  begin(step: number): void {
    if (this.prepared.length === 0) return;
    if (step !== this.step) {
      for (const one of this.prepared) {
        if (one.dispatch.bindings.some(({ stepBytes }) => stepBytes > 0))
          one.bound = this.bind(one.dispatch, one.kernel, step);
      }
      this.step = step;
    }
    for (const { dispatch, wordsAt } of this.prepared) {
      for (const { word, stride } of dispatch.steps) {
        this.mirror[wordsAt / 4 + word] = (dispatch.words[word] ?? 0) + step * stride;
      }
    }
    this.device.queue.writeBuffer(this.words, 0, this.mirror);
  }

  get isEmpty(): boolean {
    return this.prepared.length === 0;
  }

  /** Submits all dispatches, some at a time, so that one that never ends can be told from most others; `marks` times them. */
  submit(queue: QueueWatch, phase: string, marks?: PassMarks): void {
    for (let at = 0; at < this.prepared.length; at += AT_ONCE) {
      const some = this.prepared.slice(at, at + AT_ONCE);
      const labels = new Set(some.map(({ dispatch }) => `"${dispatch.label}"`));
      const name = `phase ${phase}, ${labels.size === 1 ? "launch" : "one of the launches"} ${[...labels].join(", ")}`;
      const own = marks && {
        ...marks,
        begins: marks.begins && at === 0,
        ends: marks.ends && at + AT_ONCE >= this.prepared.length,
      };
      queue.submit(name, this.encode(some, phase, own));
    }
  }

  /** Records dispatches: one pass, ended only where an operand has to be copied first. */
  private encode(dispatches: readonly Prepared[], label: string, marks?: PassMarks): GPUCommandBuffer {
    const encoder = this.device.createCommandEncoder();
    let pass: GPUComputePassEncoder | undefined;
    let passes = 0;
    const lastPass = dispatches.findLastIndex(({ bound: { copies } }) => copies.length > 0);
    for (const [i, { dispatch, kernel, bound, wordsAt }] of dispatches.entries()) {
      const { group, copies } = bound;
      if (copies.length > 0) {
        pass?.end();
        pass = undefined;
        for (const { from, offset, to, size } of copies)
          encoder.copyBufferToBuffer(from, offset, to, 0, size);
      }
      pass ??= encoder.beginComputePass({ label, ...passWrites(marks, passes++ === 0, i >= lastPass) });
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, group, [wordsAt]);
      pass.dispatchWorkgroups(...dispatch.grid);
    }
    pass?.end();
    return encoder.finish();
  }

  destroy(): void {
    for (const buffer of [this.words, ...this.scratch]) {
      this.ledger.add(-buffer.size);
      buffer.destroy();
    }
  }

  private allocateScratch(dispatches: readonly PlannedDispatch[]): void {
    const { STORAGE, UNIFORM, COPY_DST } = GPUBufferUsage;
    for (const size of scratchSizes(dispatches)) {
      this.scratch.push(
        this.device.createBuffer({ label: "scratch", size, usage: STORAGE | UNIFORM | COPY_DST }),
      );
      this.ledger.add(size);
    }
  }

  private bind(dispatch: PlannedDispatch, kernel: CompiledKernel, step: number): Bound {
    const copies: Copy[] = [];
    const entries = dispatch.bindings.map((planned, binding): GPUBindGroupEntry => {
      const buffer = this.memory.of(planned.buffer);
      const offset = planned.offset + step * planned.stepBytes;
      if (!planned.copy) return { binding, resource: { buffer, offset, size: planned.size } };
      const to = this.scratch[copies.length];
      if (to === undefined) throw new RangeError("scratch memory was not planned");
      copies.push({ from: buffer, offset, to, size: planned.size });
      return { binding, resource: { buffer: to, offset: 0, size: scratchSize(planned.size) } };
    });
    const words = { buffer: this.words, offset: 0, size: wordBytes(kernel.kernel) };
    const group = this.device.createBindGroup({
      label: `${dispatch.label} (${dispatch.kernel})`,
      layout: kernel.layout,
      entries: [...entries, { binding: dispatch.bindings.length, resource: words }],
    });
    return { group, copies };
  }
}
