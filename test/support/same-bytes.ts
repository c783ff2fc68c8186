import { expect } from "vitest";

/**
 * Typed arrays of one type with the same bytes are equal: said at once, where vitest would look up every element as a
 * property. Any others are left to vitest.
 */
function sameBytes(a: unknown, b: unknown): true | undefined {
  if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b)) return undefined;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return undefined;
  return bytes(a).equals(bytes(b)) ? true : undefined;
}

const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength);

expect.addEqualityTesters([sameBytes]);
