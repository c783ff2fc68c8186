import type { DeviceDType } from "../../../ir/program/program.js";
import { CUDA_TENSOR_MAP_BYTES } from "../../../targets/cuda/abi.js";
import { packArguments } from "./arguments.js";
import type { CudaDriver } from "./driver.js";
import { launchPlace, type PlannedLaunch, type PlannedTensorMap } from "./planned-launches.js";

/** Tensor maps start at multiples of this; so does everything else here. */
const ALIGNMENT = 64;

/** CUtensorMapDataType */
const DATA_TYPES: Readonly<Record<DeviceDType, number>> = {
  u8: 0,
  i8: 0,
  u32: 2,
  i32: 3,
  f16: 6,
  f32: 7,
  bf16: 9,
};
/** CUtensorMapSwizzle */
const SWIZZLES: Readonly<Record<PlannedTensorMap["swizzle"], number>> = { none: 0, "64B": 2, "128B": 3 };
/** CU_TENSOR_MAP_L2_PROMOTION_L2_256B */
const L2_PROMOTION = 3;
/** CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE: what lies outside reads as 0. */
const NONE = 0;

interface Prepared {
  readonly planned: PlannedLaunch;
  /** Host address of the array of parameter addresses. */
  readonly parameters: bigint;
}

/** Launches with their parameters in host memory, ready to be made any number of times. */
export class LaunchList {
  readonly #memory: Uint8Array<ArrayBuffer>;
  readonly #prepared: readonly Prepared[];

  constructor(
    private readonly driver: CudaDriver,
    planned: readonly PlannedLaunch[],
  ) {
    const sizes = planned.map(bytesOf);
    this.#memory = new Uint8Array(sizes.reduce((sum, bytes) => sum + bytes, 2 * ALIGNMENT));
    const address = driver.addressOf(this.#memory);
    let at = Number((BigInt(ALIGNMENT) - (address % BigInt(ALIGNMENT))) % BigInt(ALIGNMENT));
    this.#prepared = planned.map((launch, i) => {
      const prepared = { planned: launch, parameters: this.#prepare(launch, at, address) };
      at += sizes[i] ?? 0;
      return prepared;
    });
  }

  get launches(): readonly PlannedLaunch[] {
    return this.#prepared.map(({ planned }) => planned);
  }

  /** Puts one launch into a stream. Throws TRITC_E_CUDA naming it. */
  launch(index: number, stream: bigint): void {
    const prepared = this.#prepared[index];
    if (prepared === undefined) throw new RangeError(`there is no launch ${index}`);
    const { planned, parameters } = prepared;
    const { kernel, cuda } = planned.kernel;
    this.driver.call(
      () => launchPlace(planned),
      "cuLaunchKernel",
      planned.kernel.function,
      ...planned.grid,
      ...kernel.workgroup,
      cuda.sharedBytes,
      stream,
      parameters,
      null,
    );
  }

  /** Puts all launches into a stream. */
  launchAll(stream: bigint): void {
    for (let i = 0; i < this.#prepared.length; i++) this.launch(i, stream);
  }

  /** Writes a launch's parameters at a byte offset: tensor maps, the arguments, the addresses of all of them. */
  #prepare(planned: PlannedLaunch, at: number, base: bigint): bigint {
    const { kernel } = planned.kernel;
    const maps = planned.tensorMaps.map((map, i) => {
      const place = base + BigInt(at + CUDA_TENSOR_MAP_BYTES * i);
      if (map !== null) this.#encode(map, place, planned);
      return place;
    });
    const argumentsAt = at + CUDA_TENSOR_MAP_BYTES * maps.length;
    const packed = packArguments(kernel, planned.args);
    this.#memory.set(packed, argumentsAt);
    const addressesAt = argumentsAt + aligned(packed.byteLength);
    const view = new DataView(this.#memory.buffer);
    for (const [i, address] of [base + BigInt(argumentsAt), ...maps].entries()) {
      view.setBigUint64(addressesAt + 8 * i, address, true);
    }
    return base + BigInt(addressesAt);
  }

  #encode(map: PlannedTensorMap, to: bigint, planned: PlannedLaunch): void {
    this.driver.call(
      () => `a tensor map of ${launchPlace(planned)}`,
      "cuTensorMapEncodeTiled",
      to,
      DATA_TYPES[map.dtype],
      2,
      map.address,
      BigUint64Array.from(map.size, BigInt),
      BigUint64Array.of(BigInt(map.rowBytes)),
      Uint32Array.from(map.box),
      Uint32Array.of(1, 1),
      NONE,
      SWIZZLES[map.swizzle],
      L2_PROMOTION,
      NONE,
    );
  }
}

/** Bytes of a launch's parameters in host memory. */
function bytesOf({ kernel: { kernel }, args, tensorMaps }: PlannedLaunch): number {
  return (
    CUDA_TENSOR_MAP_BYTES * tensorMaps.length +
    aligned(packArguments(kernel, args).byteLength) +
    aligned(8 * (1 + tensorMaps.length))
  );
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
