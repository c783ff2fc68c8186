/** ONNX Runtime on the CPU behind one small, typed interface: the text encoders and the VAE run on it. */
import { access } from "node:fs/promises";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { decodeHalf, encodeHalf } from "../../ir/constant/float16.js";
import { TritcError } from "../../ir/errors.js";
import { checkWhole, MAX_THREADS } from "../bounds.js";
import { Turns } from "../turns.js";
import { checkExternalData } from "./external-data.js";
import { missingFile } from "./json-file.js";
import { importOptional } from "./optional-package.js";

/** A dense tensor on the host; whole numbers are exact in it up to 2^24. */
export interface HostTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export interface OrtInput {
  readonly name: string;
  /** ONNX element type, `float32`, `int64`, ... */
  readonly type: string;
  /** A symbolic dimension is its name. */
  readonly shape: readonly (number | string)[];
}

export interface OrtSession {
  readonly inputs: readonly OrtInput[];
  readonly outputNames: readonly string[];
  /** Runs the model once; feeds are converted to the inputs' element types, outputs to float32. */
  run(feeds: Readonly<Record<string, HostTensor>>): Promise<ReadonlyMap<string, HostTensor>>;
  close(): Promise<void>;
}

export interface OrtOptions {
  /** Threads per operator; ONNX Runtime's own choice (the physical cores) if absent. */
  readonly threads?: number | undefined;
}

/**
 * Opens an ONNX file in ONNX Runtime.
 *
 * @throws TritcError `TRITC_E_PIPELINE_FILE` if the file is absent, `TRITC_E_PACKAGE` if the runtime is not
 *   installed, `TRITC_E_ORT` if it refuses the file, and what `checkExternalData` throws
 */
export async function openOrtSession(path: string, options: OrtOptions = {}): Promise<OrtSession> {
  if (options.threads !== undefined) checkWhole("threads", options.threads, 1, MAX_THREADS);
  await access(path).catch((cause: unknown) => {
    throw missingFile(path, cause);
  });
  await checkExternalData(path);
  const ort = await importOptional("onnxruntime-node", () => import("onnxruntime-node"));
  const sessionOptions: InferenceSession.SessionOptions = {
    executionProviders: ["cpu"],
    logSeverityLevel: 3,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads, interOpNumThreads: 1 }),
  };
  const session = await ort.InferenceSession.create(path, sessionOptions).catch((cause: unknown) => {
    throw ortError(
      path,
      "ONNX Runtime cannot load this model",
      cause,
      "check that the file and its external data are complete, or export the model again",
    );
  });
  const inputs = session.inputMetadata.map(
    (meta): OrtInput =>
      meta.isTensor
        ? { name: meta.name, type: meta.type, shape: meta.shape }
        : { name: meta.name, type: "non-tensor", shape: [] },
  );
  const turns = new Turns("ONNX Runtime session");
  return {
    inputs,
    outputNames: session.outputNames,
    run: (feeds) =>
      turns.take(async () => {
        // Names are the file's, `__proto__` too.
        const tensors: Record<string, Tensor> = Object.create(null);
        for (const input of inputs) {
          const feed = Object.hasOwn(feeds, input.name) ? feeds[input.name] : undefined;
          if (feed === undefined) throw unknownInput(path, input.name, Object.keys(feeds));
          tensors[input.name] = toOrtTensor(ort.Tensor, path, input, feed);
        }
        const results = await session.run(tensors).catch((cause: unknown) => {
          throw ortError(
            path,
            "ONNX Runtime failed in this model",
            cause,
            "check the sizes of what it was given",
          );
        });
        const outputs = new Map<string, HostTensor>();
        for (const [name, tensor] of Object.entries(results))
          outputs.set(name, fromOrtTensor(path, name, tensor));
        return outputs;
      }),
    close: () => turns.close(() => session.release()),
  };
}

function toOrtTensor(
  TensorClass: typeof Tensor,
  path: string,
  input: OrtInput,
  { data, shape }: HostTensor,
): Tensor {
  switch (input.type) {
    case "float32":
      return new TensorClass("float32", data, shape);
    case "float16":
      return new TensorClass("float16", encodeHalf(data), shape);
    case "float64":
      return new TensorClass("float64", Float64Array.from(data), shape);
    case "int32":
      return new TensorClass("int32", Int32Array.from(data), shape);
    case "int64":
      return new TensorClass(
        "int64",
        BigInt64Array.from(data, (v) => BigInt(v)),
        shape,
      );
    default:
      throw unsupportedType(path, input.name, input.type);
  }
}

function fromOrtTensor(path: string, name: string, tensor: Tensor): HostTensor {
  const shape = tensor.dims;
  // On an engine with Float16Array the runtime hands out numbers, elsewhere the bits.
  const data: unknown = tensor.data;
  if (data instanceof Float32Array) return { data, shape };
  if (data instanceof Float64Array) return { data: Float32Array.from(data), shape };
  if (tensor.type === "float16" && data instanceof Uint16Array) return { data: decodeHalf(data), shape };
  if (tensor.type === "float16" && ArrayBuffer.isView(data)) {
    return { data: decodeHalf(new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)), shape };
  }
  throw unsupportedType(path, name, tensor.type);
}

function ortError(path: string, message: string, cause: unknown, remedy: string): TritcError {
  const found = cause instanceof Error ? cause.message : String(cause);
  return new TritcError({ code: "TRITC_E_ORT", message, place: path, found, remedy, cause });
}

function unknownInput(path: string, name: string, offered: readonly string[]): TritcError {
  return new TritcError({
    code: "TRITC_E_PIPELINE_MODEL",
    message: `the model has an input that this pipeline does not feed: ${name}`,
    place: path,
    expected: offered.join(", "),
    found: name,
    remedy: "export the model with optimum-cli export onnx, which writes the inputs listed as expected",
  });
}

function unsupportedType(path: string, name: string, type: string): TritcError {
  return new TritcError({
    code: "TRITC_E_PIPELINE_MODEL",
    message: `the element type of ${name} is not supported`,
    place: path,
    expected: "float32, float16, float64, int32 or int64",
    found: type,
    remedy: "export this model in float32 or float16",
  });
}
