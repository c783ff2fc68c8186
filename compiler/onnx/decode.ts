import { statSync } from "node:fs";
import * as path from "node:path";
import onnxProto, { type onnx as Onnx } from "onnx-proto";
import { canonicalDomain, decodeAttribute, decodeGraph, decodeNode } from "./decode-graph.js";
import { invalid, undecodable, unsupported } from "./errors.js";
import { FileWindow } from "./file-window.js";
import { functionDefaults } from "./function-defaults.js";
import { toBigInt } from "./integers.js";
import type { OnnxFunction, OnnxModel } from "./model.js";
import { protobuf } from "./protobuf.js";
import { SegmentedTensor, skimModel } from "./skim.js";
import type { TensorSource } from "./tensors.js";

/** Protobuf's own limit; larger models keep their tensors in external data. */
const MAX_PROTOBUF_BYTES = 2 ** 31 - 1;

/** Reads an `.onnx` file into typed records. Tensors stay in the file: constants name byte ranges. */
export function decodeModel(file: string): OnnxModel {
  const absolute = path.resolve(file);
  const size = statSync(absolute).size;
  if (size > MAX_PROTOBUF_BYTES) {
    throw undecodable(file, "the file is larger than a protobuf can be", {
      expected: `at most ${MAX_PROTOBUF_BYTES} bytes`,
      found: `${size} bytes`,
      remedy: "save the tensors as external data",
    });
  }
  const { proto, defaults } = decodeProtobuf(absolute, file, size);
  const source: TensorSource = { file: absolute, directory: path.dirname(absolute) };
  // Protobuf skips what it does not know, so that almost any bytes decode to something: an empty model.
  if (!proto.graph) {
    throw undecodable(file, "the protobuf holds no ONNX graph", { found: `${size} bytes` });
  }
  const functions = new Map<string, OnnxFunction>();
  for (const [k, f] of proto.functions.entries()) {
    const decoded = decodeFunction(f, defaults[k] ?? [], source);
    const key = functionKey(decoded.domain, decoded.name);
    if (functions.has(key)) throw invalid(file, `the function ${key} is defined twice`);
    functions.set(key, decoded);
  }
  return {
    file,
    graph: decodeGraph(proto.graph, source, 0),
    opsets: decodeOpsets(proto.opsetImport, file),
    functions,
  };
}

/** The key of a function in `OnnxModel.functions`. */
export function functionKey(domain: string, name: string): string {
  return `${domain}:${name}`;
}

interface Decoded {
  readonly proto: Onnx.ModelProto;
  readonly defaults: ReturnType<typeof functionDefaults>;
}

function decodeProtobuf(absolute: string, file: string, size: number): Decoded {
  const window = new FileWindow(absolute);
  let place = () => "";
  try {
    const { bytes, fileOffset } = skimModel(window);
    const reader = protobuf.Reader.create(bytes);
    place = () => `, at byte ${fileOffset(Math.min(reader.pos, bytes.length))}`;
    const proto = onnxProto.onnx.ModelProto.decode(reader);
    return { proto, defaults: proto.functions.length === 0 ? [] : functionDefaults(bytes) };
  } catch (cause) {
    if (cause instanceof SegmentedTensor) {
      throw unsupported(file, "a tensor is one segment of a larger one", { found: cause.message });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw undecodable(file, "the file is not a readable ONNX protobuf", {
      expected: `an ONNX model of ${size} bytes`,
      found: `${reason}${place()}`,
      cause,
    });
  } finally {
    window.close();
  }
}

function decodeOpsets(imports: readonly Onnx.IOperatorSetIdProto[], place: string): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const entry of imports) {
    const domain = canonicalDomain(entry.domain);
    const version = Number(toBigInt(entry.version ?? 0));
    const before = opsets.get(domain);
    if (before !== undefined && before !== version) {
      throw invalid(place, `the operator set "${domain}" is imported twice`, {
        found: `${before} and ${version}`,
      });
    }
    opsets.set(domain, version);
  }
  return opsets;
}

function decodeFunction(
  proto: Onnx.IFunctionProto & { readonly domain?: string | null },
  defaults: readonly Onnx.IAttributeProto[],
  source: TensorSource,
): OnnxFunction {
  const name = proto.name ?? "";
  const place = `function "${name}"`;
  return {
    name,
    domain: canonicalDomain(proto.domain),
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    defaults: new Map(defaults.map((a) => [a.name ?? "", decodeAttribute(a, source, place, 0)])),
    nodes: (proto.node ?? []).map((n) => decodeNode(n, source, 0)),
    opsets: decodeOpsets(proto.opsetImport ?? [], place),
  };
}
