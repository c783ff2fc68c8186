import { type FileWindow, varintBytes } from "./file-window.js";

/**
 * A model file without its weights: the same protobuf, except that the raw data of large tensors is
 * replaced by a `segment` that holds its byte range in the file. So a model of two gigabytes decodes in
 * the memory its graph takes. (`segment` has no other use: tensors that come with one are refused.)
 */
export interface SkimmedModel {
  readonly bytes: Uint8Array;
  /** The place in the file of a place in `bytes`. */
  readonly fileOffset: (position: number) => number;
}

/** Raw data above this many bytes stays in the file. */
const INLINE_LIMIT = 4096;

/** Messages that lead to tensors: field number → the message in it. */
type MessageName = "model" | "graph" | "function" | "node" | "attribute" | "tensor";
const CHILDREN: Readonly<Record<MessageName, ReadonlyMap<number, MessageName>>> = {
  model: new Map([
    [7, "graph"],
    [25, "function"],
  ]),
  graph: new Map([
    [1, "node"],
    [5, "tensor"],
  ]),
  function: new Map([[7, "node"]]),
  node: new Map([[5, "attribute"]]),
  attribute: new Map([
    [5, "tensor"],
    [6, "graph"],
  ]),
  tensor: new Map(),
};
const SEGMENT = 3;
const RAW_DATA = 9;

/** Messages within messages beyond any graph that the decoder accepts. */
const MAX_DEPTH = 200;

/** Bytes of the result: a range of the file, or new ones that stand for a place in it. */
type Piece =
  | { readonly from: number; readonly to: number }
  | { readonly bytes: Uint8Array; readonly from: number };

/** @throws RangeError if the file is not well-formed protobuf; a `SegmentedTensor` for a tensor with a segment */
export function skimModel(file: FileWindow): SkimmedModel {
  const pieces = merge(message(file, "model", 0, file.size, 0));
  const total = pieces.reduce((sum, piece) => sum + lengthOf(piece), 0);
  const bytes = new Uint8Array(total);
  const starts: number[] = [];
  let at = 0;
  for (const piece of pieces) {
    starts.push(at);
    bytes.set("to" in piece ? file.read(piece.from, piece.to) : piece.bytes, at);
    at += lengthOf(piece);
  }
  return {
    bytes,
    fileOffset(position) {
      const k = starts.findLastIndex((start) => start <= position);
      const piece = pieces[k];
      if (piece === undefined) return position;
      return "to" in piece ? piece.from + position - (starts[k] ?? 0) : piece.from;
    },
  };
}

/** A tensor that the file itself says is one segment of a larger one. */
export class SegmentedTensor extends Error {}

function message(
  file: FileWindow,
  name: MessageName,
  begin: number,
  end: number,
  depth: number,
): readonly Piece[] {
  const pieces: Piece[] = [];
  for (let at = begin; at < end; ) {
    const field = file.field(at, end);
    const child = field.delimited ? CHILDREN[name].get(field.number) : undefined;
    if (name === "tensor" && field.number === SEGMENT) throw new SegmentedTensor(`at byte ${at}`);
    if (name === "tensor" && field.number === RAW_DATA && field.end - field.begin > INLINE_LIMIT) {
      pieces.push({ bytes: segment(field.begin, field.end), from: at });
    } else if (child === undefined || depth >= MAX_DEPTH) pieces.push({ from: at, to: field.end });
    else pieces.push(...submessage(file, child, at, field, depth));
    at = field.end;
  }
  return merge(pieces);
}

function submessage(
  file: FileWindow,
  name: MessageName,
  at: number,
  field: { readonly number: number; readonly begin: number; readonly end: number },
  depth: number,
): readonly Piece[] {
  const inner = message(file, name, field.begin, field.end, depth + 1);
  const unchanged = inner.every((piece) => "to" in piece);
  if (unchanged) return [{ from: at, to: field.end }];
  const length = inner.reduce((sum, piece) => sum + lengthOf(piece), 0);
  const head = Uint8Array.from([...varintBytes(field.number * 8 + 2), ...varintBytes(length)]);
  return [{ bytes: head, from: at }, ...inner];
}

/** `segment { begin, end }` as a field of TensorProto. */
function segment(begin: number, end: number): Uint8Array {
  const content = [0x08, ...varintBytes(begin), 0x10, ...varintBytes(end)];
  return Uint8Array.from([SEGMENT * 8 + 2, ...varintBytes(content.length), ...content]);
}

function lengthOf(piece: Piece): number {
  return "to" in piece ? piece.to - piece.from : piece.bytes.length;
}

/** Neighbouring ranges as one. */
function merge(pieces: readonly Piece[]): readonly Piece[] {
  const merged: Piece[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last !== undefined && "to" in last && "to" in piece && last.to === piece.from) {
      merged[merged.length - 1] = { from: last.from, to: piece.to };
    } else merged.push(piece);
  }
  return merged;
}
