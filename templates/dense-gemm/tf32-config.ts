import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { type DeviceKind, hasFeature } from "../../targets/device-kind.js";

const tf32 = { variant: "tf32", warpsM: 2, warpsN: 2, stage: 16 } as const;
/** 128 rows x 128, 64 x 64 of a warp: 32 loads from shared memory for as many products of 16 x 8 x 8. */
const WIDE = { ...tf32, groupsM: 4, groupsN: 8, blocks: 2 } as const;
/** 64 rows x 64, which fill the device where there are few rows. */
const SMALL = { ...tf32, groupsM: 2, groupsN: 4, blocks: 4 } as const;
/** 128 rows x 64: one panel of columns is all there is. */
const NARROW = { ...tf32, warpsM: 4, warpsN: 1, groupsM: 2, groupsN: 8, blocks: 3 } as const;

/** Rows from which tiles of 128 x 128 are enough for a device of a hundred SMs, whatever n is. */
const MANY = 4096;

/** The tile of products in tf32 for n columns and so many rows at most. */
export function tf32Config(n: number, rows: number) {
  if (n <= DENSE_PANEL.cuda) return NARROW;
  return rows < MANY ? SMALL : WIDE;
}

/**
 * Whether a device multiplies in tf32 where that is allowed: who allows it wants it, so kernels in f32 are not weighed against it, which on
 * GeForce are as fast by the vendor's numbers.
 */
export function takesTf32({ products }: { readonly products?: string | undefined }, device: DeviceKind) {
  return products === "tf32" && hasFeature(device, "sm_80");
}
