import { byteLength, DTYPE_BITS } from "../dtype.js";
import { TritcError } from "../errors.js";
import { countOf } from "../tensor.js";
import type { ByteReader, Constant } from "./constant.js";

/** Whether a constant's bytes are in memory or in a file, rather than computed from other constants. */
export function isStored(constant: Constant): boolean {
  return constant.source.kind === "inline" || constant.source.kind === "file";
}

/**
 * The bytes that hold elements `from` to `to` of a stored constant; sub-byte elements may begin inside of the first
 * byte. Throws TRITC_E_CONSTANT_BYTES where there are fewer bytes than the shape needs.
 */
export function storedBytes(constant: Constant, from: number, to: number, reader: ByteReader): Uint8Array {
  const { source, dtype, shape } = constant;
  const bits = DTYPE_BITS[dtype];
  const begin = Math.floor((from * bits) / 8);
  const end = Math.ceil((to * bits) / 8);
  const need = byteLength(dtype, countOf(shape));
  if (source.kind === "file") {
    checkLength(source.length, need, constant, source.file);
    const bytes = reader.read(source.file, source.offset + begin, end - begin);
    checkLength(bytes.length, end - begin, constant, source.file);
    return bytes;
  }
  if (source.kind !== "inline") throw new Error("not a stored constant");
  checkLength(source.bytes.length, need, constant, undefined);
  return source.bytes.subarray(begin, end);
}

function checkLength(found: number, need: number, constant: Constant, file: string | undefined): void {
  if (found >= need) return;
  throw new TritcError({
    code: "TRITC_E_CONSTANT_BYTES",
    message: "a constant's data is shorter than its shape says",
    ...(file === undefined ? {} : { place: file }),
    expected: `${need} bytes for ${constant.dtype} [${constant.shape.join(", ")}]`,
    found: `${found} bytes`,
    remedy: "export the model again; the file is damaged or incomplete",
  });
}
