import type { onnx } from "onnx-proto";
import { decodeGraph } from "./decode.js";
import { invalid, unsupported } from "./errors.js";
import { toBigInt } from "./integers.js";
import type { AttributeKind, OnnxAttribute } from "./model.js";
import { constantOfTensor, type TensorSource } from "./tensors.js";

/** `AttributeProto.AttributeType` */
const KIND_OF: ReadonlyMap<number, AttributeKind> = new Map([
  [1, "float"],
  [2, "int"],
  [3, "string"],
  [4, "tensor"],
  [5, "graph"],
  [6, "floats"],
  [7, "ints"],
  [8, "strings"],
]);

/** Subgraphs within subgraphs; real exports nest two or three deep. */
const MAX_NESTING = 32;

/** Decodes one attribute into its typed record. */
export function decodeAttribute(
  proto: onnx.IAttributeProto,
  source: TensorSource,
  place: string,
  depth: number,
): OnnxAttribute {
  if (proto.refAttrName) return { kind: "reference", value: proto.refAttrName };
  const kind = KIND_OF.get(proto.type ?? 0) ?? (proto.type ? "other" : guessKind(proto));
  const here = `${place}, attribute "${proto.name ?? ""}"`;
  switch (kind) {
    case "float":
      return { kind, value: proto.f ?? 0 };
    case "int":
      return { kind, value: toBigInt(proto.i ?? 0) };
    case "string":
      return { kind, value: text(proto.s ?? new Uint8Array(0)) };
    case "floats":
      return { kind, value: proto.floats ?? [] };
    case "ints":
      return { kind, value: (proto.ints ?? []).map(toBigInt) };
    case "strings":
      return { kind, value: (proto.strings ?? []).map(text) };
    case "tensor":
      if (!proto.t) throw invalid(here, "the attribute is said to be a tensor, and holds none");
      return { kind, value: constantOfTensor(proto.t, source, here) };
    case "graph":
      if (!proto.g) throw invalid(here, "the attribute is said to be a graph, and holds none");
      if (depth >= MAX_NESTING) {
        throw unsupported(here, "subgraphs are nested too deeply", {
          expected: `at most ${MAX_NESTING} levels`,
        });
      }
      return { kind, value: decodeGraph(proto.g, source, depth + 1) };
    default:
      return { kind: "other", value: `attribute type ${proto.type ?? 0}` };
  }
}

/** Files of the first IR version leave the type out. */
function guessKind(proto: onnx.IAttributeProto): AttributeKind {
  if (proto.t) return "tensor";
  if (proto.g) return "graph";
  if (proto.floats?.length) return "floats";
  if (proto.ints?.length) return "ints";
  if (proto.strings?.length) return "strings";
  if (proto.s?.length) return "string";
  if (proto.f) return "float";
  return "int";
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
