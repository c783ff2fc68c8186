import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { onnx as Onnx } from "onnx-proto";
import { graph, model, node, value } from "../onnx-builder.js";
import { bytes, type HostileCase, small, x, y } from "./case.js";

/** Files that are no ONNX protobuf, or that nest without end. */
export const FILE_CASES: readonly HostileCase[] = [
  bytes(
    "an empty file",
    "ONNX_DECODE",
    /model\.onnx: the protobuf holds no ONNX graph/,
    () => new Uint8Array(0),
  ),
  bytes("a truncated protobuf", "ONNX_DECODE", /not a readable ONNX protobuf[\s\S]*at byte \d+/, () =>
    small().subarray(0, 60),
  ),
  bytes("a Git LFS pointer", "FILE_KIND", /found: {4}Git LFS pointer\n {2}try: .*git lfs pull/, () =>
    new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
  ),
  bytes("a graph longer than the file", "ONNX_DECODE", /not a readable ONNX protobuf/, () =>
    Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3),
  ),
  bytes("a name that leaves the file", "ONNX_DECODE", /not a readable ONNX protobuf/, () => {
    const content = Uint8Array.from(small());
    content[Buffer.from(content).indexOf("add_1") - 1] = 0x7f;
    return content;
  }),
  bytes("a wire type that does not exist", "ONNX_DECODE", /not a readable ONNX protobuf/, () =>
    Uint8Array.of(0x0f, 0x08, 0x01),
  ),
  bytes(
    "zero bytes",
    "ONNX_DECODE",
    /not a readable ONNX protobuf|holds no ONNX graph/,
    () => new Uint8Array(64),
  ),
  bytes("subgraphs nested deeply", "ONNX_UNSUPPORTED", /subgraphs are nested too deeply/, () => {
    let inner: Onnx.IGraphProto = graph({ outputs: [y], nodes: [node("Identity", ["x"], ["y"])] });
    for (let depth = 0; depth < 60; depth++) {
      inner = graph({ outputs: [y], nodes: [node("If", ["c"], ["y"], { then_branch: { g: inner } })] });
    }
    return model({ inputs: [x, value("c", "bool", [])], outputs: [y], nodes: inner.node ?? [] });
  }),
  bytes("subgraphs nested beyond the call stack", "ONNX_DECODE", /not a readable ONNX protobuf/, () =>
    nested(8000),
  ),
  {
    name: "a folder without a model",
    code: "TRITC_E_MODEL_NOT_FOUND",
    message: /the folder holds no model/,
    files: (directory) => directory,
  },
  {
    name: "a folder with several models",
    code: "TRITC_E_MODEL_NOT_FOUND",
    message: /the folder holds several models[\s\S]*a\.onnx, b\.onnx/,
    files(directory) {
      for (const name of ["a.onnx", "b.onnx"]) writeFileSync(join(directory, name), small());
      return directory;
    },
  },
  {
    name: "a path to nothing",
    code: "TRITC_E_MODEL_NOT_FOUND",
    message: /there is no such file or folder/,
    files: (directory) => join(directory, "none.onnx"),
  },
];

/** graph { node { attribute { graph { …: field numbers 7, then 1, 5 and 6 in turn. */
function nested(depth: number): Uint8Array {
  const tags = Array.from({ length: depth }, () => [0x32, 0x2a, 0x0a]).flat();
  const parts: Buffer[] = [];
  let length = 0;
  for (const tag of [...tags.slice(1), 0x3a]) {
    const head = Buffer.from([tag, ...varint(length)]);
    parts.push(head);
    length += head.length;
  }
  return Buffer.concat(parts.reverse());
}

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest & 127) | 128);
  return [...out, rest];
}
