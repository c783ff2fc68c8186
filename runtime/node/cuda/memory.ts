import type { CudaContext } from "./context.js";
import type { MemoryPlan } from "../../../ir/program/memory/cuda.js";

/**
 * kept: the step index, weights and what `load` fills. run: inputs and intermediate values of the bound sizes.
 * staging: tensors that one launch of `load` unpacks.
 */
export type Region = "kept" | "run" | "staging";

/** The device memory of one program: an allocation per region. */
export class DeviceMemory {
  readonly #regions = new Map<Region, { readonly plan: MemoryPlan; readonly address: bigint }>();

  constructor(private readonly context: CudaContext) {}

  /** Bytes that are allocated now. */
  get bytes(): number {
    return [...this.#regions.values()].reduce((sum, { plan }) => sum + plan.bytes, 0);
  }

  /**
   * Makes a region as large as its plan. Throws TRITC_E_CUDA_MEMORY.
   *
   * @param what what lies in it, for the error
   */
  allocate(region: Region, plan: MemoryPlan, what: string): void {
    const address = plan.bytes === 0 ? 0n : this.context.allocate(plan.bytes, what);
    this.#regions.set(region, { plan, address });
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
