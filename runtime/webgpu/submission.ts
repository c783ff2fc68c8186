import type { CompiledKernel } from "./kernels.js";
import { wordBytes } from "./kernels.js";
import type { DeviceMemory } from "./memory.js";
import type { PlannedDispatch } from "../../ir/program/memory/wgsl-plan.js";

/** Dynamic uniform offsets are multiples of this on every device. */
const WORDS_PITCH = 256;

interface Copy {
  readonly from: GPUBuffer;
  readonly offset: number;
  readonly to: GPUBuffer;
  readonly size: number;
}

interface Prepared {
  readonly dispatch: PlannedDispatch;
  readonly kernel: CompiledKernel;
  readonly group: GPUBindGroup;
  readonly copies: readonly Copy[];
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

  constructor(
    private readonly device: GPUDevice,
    dispatches: readonly PlannedDispatch[],
    kernels: ReadonlyMap<string, CompiledKernel>,
    memory: DeviceMemory,
  ) {
    const compiled = new Map([...kernels.values()].map((kernel) => [kernel.kernel.id, kernel]));
    const bytesOf = (dispatch: PlannedDispatch): number => {
      const kernel = compiled.get(dispatch.kernel);
      if (kernel === undefined) throw new RangeError(`kernel ${dispatch.kernel} is not compiled`);
      return Math.ceil(wordBytes(kernel.kernel) / WORDS_PITCH) * WORDS_PITCH;
    };
    const total = dispatches.reduce((sum, dispatch) => sum + bytesOf(dispatch), 0);
    this.mirror = new Uint32Array(Math.max(total, WORDS_PITCH) / 4);
    this.words = device.createBuffer({
      label: "launch words",
      size: this.mirror.byteLength,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.allocateScratch(dispatches);
    let wordsAt = 0;
    this.prepared = dispatches.map((dispatch): Prepared => {
      const kernel = compiled.get(dispatch.kernel);
      if (kernel === undefined) throw new RangeError(`kernel ${dispatch.kernel} is not compiled`);
      this.mirror.set(dispatch.words, wordsAt / 4);
      const prepared = { dispatch, kernel, wordsAt, ...this.bindGroup(dispatch, kernel, memory) };
      wordsAt += bytesOf(dispatch);
      return prepared;
    });
  }

  get bytes(): number {
    return this.scratch.reduce((sum, buffer) => sum + buffer.size, this.words.size);
  }

  /** Writes the words of a step into the queue. */
  writeWords(step: number): void {
    if (this.prepared.length === 0) return;
    for (const { dispatch, wordsAt } of this.prepared) {
      for (const { word, stride } of dispatch.steps) {
        this.mirror[wordsAt / 4 + word] = (dispatch.words[word] ?? 0) + step * stride;
      }
    }
    this.device.queue.writeBuffer(this.words, 0, this.mirror);
  }

  /** Records all dispatches: one pass, ended only where an operand has to be copied first. */
  encode(encoder: GPUCommandEncoder, label: string): void {
    let pass: GPUComputePassEncoder | undefined;
    for (const { dispatch, kernel, group, copies, wordsAt } of this.prepared) {
      if (copies.length > 0) {
        pass?.end();
        pass = undefined;
        for (const { from, offset, to, size } of copies)
          encoder.copyBufferToBuffer(from, offset, to, 0, size);
      }
      pass ??= encoder.beginComputePass({ label });
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, group, [wordsAt]);
      pass.dispatchWorkgroups(...dispatch.grid);
    }
    pass?.end();
  }

  destroy(): void {
    this.words.destroy();
    for (const buffer of this.scratch) buffer.destroy();
  }

  /** One scratch buffer for the n-th copied operand of any dispatch: dispatches run one after the other. */
  private allocateScratch(dispatches: readonly PlannedDispatch[]): void {
    const sizes: number[] = [];
    for (const { bindings } of dispatches) {
      const copied = bindings.filter((binding) => binding.copy);
      for (const [n, binding] of copied.entries())
        sizes[n] = Math.max(sizes[n] ?? 0, scratchSize(binding.size));
    }
    const { STORAGE, UNIFORM, COPY_DST } = GPUBufferUsage;
    for (const size of sizes) {
      this.scratch.push(
        this.device.createBuffer({ label: "scratch", size, usage: STORAGE | UNIFORM | COPY_DST }),
      );
    }
  }

  private bindGroup(
    dispatch: PlannedDispatch,
    kernel: CompiledKernel,
    memory: DeviceMemory,
  ): { readonly group: GPUBindGroup; readonly copies: readonly Copy[] } {
    const copies: Copy[] = [];
    const entries = dispatch.bindings.map((planned, binding): GPUBindGroupEntry => {
      const buffer = memory.of(planned.buffer);
      if (!planned.copy) {
        return { binding, resource: { buffer, offset: planned.offset, size: planned.size } };
      }
      const to = this.scratch[copies.length];
      if (to === undefined) throw new RangeError("scratch memory was not planned");
      copies.push({ from: buffer, offset: planned.offset, to, size: planned.size });
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

/** Whole vectors, and one more for a uniform array whose source ended within one. */
function scratchSize(bytes: number): number {
  return Math.ceil(bytes / 16) * 16 + 16;
}
