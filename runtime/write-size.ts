import { TritcError } from "../ir/errors.js";

/** Refuses data for a buffer that holds another number of bytes. Throws TRITC_E_BUFFER_SIZE. */
export function checkWriteSize(buffer: string, bytes: number, data: ArrayBufferView): void {
  if (data.byteLength === bytes) return;
  throw new TritcError({
    code: "TRITC_E_BUFFER_SIZE",
    message: "the data does not have the buffer's size",
    place: buffer,
    expected: `${bytes} bytes`,
    found: `${data.byteLength} bytes`,
    remedy: "bind the sizes that the data has before writing it",
  });
}
