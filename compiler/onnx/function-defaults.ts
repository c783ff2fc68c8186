import onnxProto, { type onnx as Onnx } from "onnx-proto";
import { protobuf } from "./protobuf.js";

/** `ModelProto.functions` and `FunctionProto.attribute_proto`; the latter is newer than `onnx-proto`'s schema. */
const FUNCTIONS = 25;
const ATTRIBUTE_PROTO = 11;
const LENGTH_DELIMITED = 2;

/**
 * Default values of the attributes of each function, in file order. `onnx-proto` skips the field that
 * holds them, which would silently give callers' absent attributes the operators' defaults instead.
 * @param bytes a model that has been decoded without errors
 */
export function functionDefaults(bytes: Uint8Array): readonly (readonly Onnx.IAttributeProto[])[] {
  return messages(protobuf.Reader.create(bytes), bytes.length, FUNCTIONS).map(([begin, end]) => {
    const reader = protobuf.Reader.create(bytes);
    reader.pos = begin;
    return messages(reader, end, ATTRIBUTE_PROTO).map(([from, to]) =>
      onnxProto.onnx.AttributeProto.decode(bytes.subarray(from, to)),
    );
  });
}

/** Byte ranges of the submessages in one field, up to `end`. */
function messages(
  reader: protobuf.Reader,
  end: number,
  field: number,
): readonly (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === field && (tag & 7) === LENGTH_DELIMITED) {
      const length = reader.uint32();
      found.push([reader.pos, reader.pos + length]);
      reader.skip(length);
    } else reader.skipType(tag & 7);
  }
  return found;
}
