/** A 64-bit integer as protobufjs gives it: a number, or two halves. */
export type Int64 = number | { readonly low: number; readonly high: number; readonly unsigned: boolean };

/** The exact value: INT64_MAX is a common slice end, and no number. */
export function toBigInt(value: Int64): bigint {
  if (typeof value === "number") return BigInt(value);
  const high = value.unsigned ? BigInt(value.high >>> 0) : BigInt(value.high);
  return (high << 32n) | BigInt(value.low >>> 0);
}
