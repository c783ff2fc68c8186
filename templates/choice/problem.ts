import type { DeviceKind } from "../../targets/device-kind.js";

/** What a kernel is chosen for. */
export interface Problem<P = unknown> {
  readonly family: string;
  readonly params: P;
  /** Rows of its launches at the planned sizes, each number once, the most first; none where sizes are not known. */
  readonly rows: readonly number[];
  /** By rows, the scalars of such a launch, of unequal ones those of the first; absent where they are not known. */
  readonly scalars?: ReadonlyMap<number, readonly number[]> | undefined;
  readonly device: DeviceKind;
}
