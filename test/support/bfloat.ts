import { decodeBfloat, encodeBfloat } from "../../ir/constant/float16.js";
import type { Data } from "./launch.js";

/** Values as bf16 bytes: what a launch takes for arguments of this type. */
export function bfloatBytes(values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encodeBfloat(values).slice().buffer);
}

/** The values of bf16 bytes. */
export function bfloatValues(bytes: Data): Float32Array {
  return decodeBfloat(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2));
}

/** The nearest bf16 values. */
export function bfloatRounded(values: ArrayLike<number>): Float32Array {
  return decodeBfloat(encodeBfloat(values));
}
