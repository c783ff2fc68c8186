/** One field of a message in protobuf's wire format: a number, or bytes of a text, a message or a fixed-width value. */
export interface ProtobufField {
  readonly field: number;
  readonly value: number | Uint8Array;
}

/** Numbers of more bytes are beyond 64 bits. */
const MOST_VARINT_BYTES = 10;

/** The fields of a message, in their order. Throws a RangeError where the bytes end too early or are of no known form. */
export function* protobufFields(bytes: Uint8Array): Generator<ProtobufField> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let i = 0; i < MOST_VARINT_BYTES; i++) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError("the file ends within a number");
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number of too many bytes");
  };
  const take = (length: number): Uint8Array => {
    if (!(length <= bytes.length - at)) throw new RangeError("the file ends within a field");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const form = tag % 8;
    if (form === 0) yield { field, value: varint() };
    else if (form === 1) yield { field, value: take(8) };
    else if (form === 2) yield { field, value: take(varint()) };
    else if (form === 5) yield { field, value: take(4) };
    else throw new RangeError(`a field of wire type ${form}`);
  }
}
