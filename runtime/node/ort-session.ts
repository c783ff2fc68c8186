/** ONNX Runtime on the CPU behind one small, typed interface: the text encoders and the VAE run on it. */
import { access } from "node:fs/promises";
import { decodeHalf, encodeHalf } from "../../ir/constant/float16.js";
import { TritcError } from "../../ir/errors.js";
import { missingFile } from "../pipeline/files.js";
import type { HostTensor, NetworkInput, OpenNetwork } from "../pipeline/network.js";
import { Turns } from "../turns.js";
import { checkExternalData } from "./external-data.js";
import { type OrtOptions, openOrt, ortError } from "./ort-open.js";
import type { OrtValue } from "./ort-process.js";

/** A model in ONNX Runtime. `run` takes feeds for all inputs that hold nothing. */
export interface OrtSession extends OpenNetwork {
  readonly outputNames: readonly string[];
  /** Keeps f32 values for an input from now on; each run leaves there what it computes as `output`, and gives it to nobody. */
  hold(input: string, value: HostTensor, output: string): Promise<void>;
  /** What an input holds: copied out. */
  read(input: string): Promise<HostTensor>;
}

/**
 * Opens an ONNX file in ONNX Runtime.
 *
 * @throws TritcError `TRITC_E_PIPELINE_FILE` if the file is absent, `TRITC_E_PACKAGE` if the runtime is not
 *   installed, `TRITC_E_ORT` if it refuses the file, and what `checkExternalData` throws
 */
export async function openOrtSession(path: string, options: OrtOptions = {}): Promise<OrtSession> {
  await access(path).catch((cause: unknown) => {
    throw missingFile(path, cause);
  });
  await checkExternalData(path);
  const { ort, ...session } = await openOrt(path, {
    ...options,
    place: path,
    remedy: "check that the file and its external data are complete, or export the model again",
  });
  const inputs = session.inputs.map(
    ({ name, type = "non-tensor", shape = [] }): NetworkInput => ({ name, type, shape }),
  );
  const turns = new Turns("ONNX Runtime session");
  const held = new Set<string>();
  const failed = (cause: unknown): never => {
    throw ortError(path, "ONNX Runtime failed in this model", cause, "check the sizes of what it was given");
  };
  return {
    inputs,
    outputNames: session.outputNames,
    run: (feeds) =>
      turns.take(async () => {
        const fed = inputs.filter(({ name }) => !held.has(name));
        const values = fed.map((input): OrtValue => {
          const feed = Object.hasOwn(feeds, input.name) ? feeds[input.name] : undefined;
          if (feed === undefined) throw unknownInput(path, input.name, Object.keys(feeds));
          return [input.name, input.type, toOrtData(path, input, feed.data), feed.shape];
        });
        const results = await ort.call("run", values).catch(failed);
        return new Map(
          results.map(([name, type, data, shape]) => [
            name,
            { data: fromOrtData(path, name, type, data), shape },
          ]),
        );
      }),
    hold: (input, { data, shape }, output) =>
      turns.take(async () => {
        await ort.call("hold", [input, "float32", data, shape], output).catch(failed);
        held.add(input);
      }),
    read: (input) =>
      turns.take(async () => {
        const [name, type, data, shape] = await ort.call("read", input).catch(failed);
        return { data: fromOrtData(path, name, type, data), shape };
      }),
    close: () => turns.close(async () => ort.close()),
  };
}

function toOrtData(path: string, { name, type }: NetworkInput, data: Float32Array): unknown {
  switch (type) {
    case "float32":
      return data;
    case "float16":
      return encodeHalf(data);
    case "float64":
      return Float64Array.from(data);
    case "int32":
      return Int32Array.from(data);
    case "int64":
      return BigInt64Array.from(data, (v) => BigInt(v));
    default:
      throw unsupportedType(path, name, type);
  }
}

function fromOrtData(path: string, name: string, type: string, data: unknown): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (type === "float16" && data instanceof Uint16Array) return decodeHalf(data);
  throw unsupportedType(path, name, type);
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
