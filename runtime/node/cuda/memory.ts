import type { MemoryPlan } from "../../../targets/cuda/memory.js";
import type { CudaContext } from "./context.js";

/**
 * kept: the step index, weights and what `load` fills. run: inputs and intermediate values of the bound sizes.
 * staging: tensors that one launch of `load` unpacks. turn: weights that one launch of `prompt` reads.
 */
export type Region = "kept" | "run" | "staging" | "turn";

type RegionPlan = Pick<MemoryPlan, "offsets" | "bytes">;

/** The device memory of one program: an allocation per region. */
export class DeviceMemory {
  readonly #regions = new Map<Region, { readonly plan: RegionPlan; readonly address: bigint }>();
  #peak = 0;

  constructor(private readonly context: CudaContext) {}

  /** Bytes that are allocated now. */
  get bytes(): number {
    return [...this.#regions.values()].reduce((sum, { plan }) => sum + plan.bytes, 0);
  }

  /** The most bytes that were allocated at one time. */
  get peakBytes(): number {
    return this.#peak;
  }

  /**
   * Makes a region as large as its plan. Throws TRITC_E_CUDA_MEMORY.
   *
   * @param what what lies in it, for the error
   */
  allocate(region: Region, plan: RegionPlan, what: string): void {
    const address = plan.bytes === 0 ? 0n : this.context.allocate(plan.bytes, what);
    this.#regions.set(region, { plan, address });
    this.#peak = Math.max(this.#peak, this.bytes);
  }

  /** Lays out a region anew in the memory it has, which must be enough. */
  arrange(region: Region, offsets: MemoryPlan["offsets"]): void {
    const known = this.#regions.get(region);
    if (known !== undefined) {
      this.#regions.set(region, { ...known, plan: { offsets, bytes: known.plan.bytes } });
    }
  }

  free(region: Region): void {
    const known = this.#regions.get(region);
    this.#regions.delete(region);
    if (known !== undefined && known.plan.bytes > 0)
      this.context.driver.result("cuMemFree_v2", known.address);
  }

  /** Where a region starts. */
  start(region: Region): bigint {
    const known = this.#regions.get(region);
    if (known === undefined) throw new RangeError(`there is no memory for ${region}`);
    return known.address;
  }

  /** Device address of a program buffer. */
  address(buffer: string): bigint {
    for (const { plan, address } of this.#regions.values()) {
      const offset = plan.offsets.get(buffer);
      if (offset !== undefined) return address + BigInt(offset);
    }
    throw new RangeError(`buffer ${buffer} is not allocated`);
  }
}
