import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { ChildCalls } from "./child-calls.js";

/** A tensor in ONNX Runtime's own types. */
export type OrtValue = readonly [name: string, type: string, data: unknown, shape: readonly number[]];

/** What one process does. All reject with an Error that says what ONNX Runtime said. */
interface Calls {
  load(path: string): null;
  open(
    path: string,
    options: object,
  ): {
    readonly inputs: readonly {
      readonly name: string;
      readonly isTensor: boolean;
      readonly type?: string;
      readonly shape?: readonly (number | string)[];
    }[];
    readonly outputNames: readonly string[];
  };
  /** Keeps a value for the input of its name. Each run leaves there what it computes as `output`, which it does not return. */
  hold(value: OrtValue, output: string): null;
  /** A value that is held. */
  read(name: string): OrtValue;
  run(feeds: readonly OrtValue[]): readonly OrtValue[];
}

const SOURCE = `
let ort, session;
// By input: what the next run gets, and the output of it that comes into its place.
const held = Object.create(null), successors = Object.create(null);
// Where a vector lies in memory decides the order of sums in ONNX Runtime: a slice begins where its own results do.
const toTensor = ([, type, data, shape]) => new ort.Tensor(type, data.slice(), shape);
const toValue = (name, { type, data, dims }) => {
  // On an engine with Float16Array the runtime hands out numbers, elsewhere the bits.
  const isHalf = type === "float16" && ArrayBuffer.isView(data);
  return [name, type, isHalf ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data, dims];
};
const calls = {
  load(path) {
    ort = require(path);
    return null;
  },
  async open(path, options) {
    session = await ort.InferenceSession.create(path, options);
    return { inputs: session.inputMetadata, outputNames: session.outputNames };
  },
  hold(value, output) {
    held[value[0]] = toTensor(value);
    successors[value[0]] = output;
    return null;
  },
  read: (name) => toValue(name, held[name]),
  async run(feeds) {
    const tensors = Object.assign(Object.create(null), held);
    for (const feed of feeds) tensors[feed[0]] = toTensor(feed);
    const results = new Map(Object.entries(await session.run(tensors)));
    for (const input in successors) held[input] = results.get(successors[input]);
    for (const input in successors) results.delete(successors[input]);
    return [...results].map(([name, tensor]) => toValue(name, tensor));
  },
};
// Whoever asked may be gone.
const answer = (message) => process.send(message, () => undefined);
process.on("message", async ([name, ...values]) => {
  try {
    answer({ result: await calls[name](...values) });
  } catch (error) {
    answer({ failure: error instanceof Error ? error.message : String(error) });
  }
});
// Ctrl-C in a terminal reaches all processes: whoever started this one ends it.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => undefined);
process.on("disconnect", () => process.exit());
`;

/**
 * ONNX Runtime in a process of its own: in Node it keeps the thread that calls it, and a process whose threads are in it
 * cannot end before they have come back. Takes one call after the other.
 */
export class OrtProcess {
  readonly #child: ChildProcess;
  readonly #calls: ChildCalls;

  private constructor() {
    this.#child = spawn(process.execPath, ["-e", SOURCE], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "advanced",
      // Else ONNX Runtime reports its use to its makers, and leaves a file for each process.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1", ORT_DISABLE_TELEMETRY: "1" },
    });
    this.#calls = new ChildCalls(
      this.#child,
      (how) => new Error(`the process of ONNX Runtime ended (${how}); the memory may be too small`),
    );
  }

  /** Rejects where `onnxruntime-node` is not installed or cannot be loaded. */
  static async start(): Promise<OrtProcess> {
    const path = createRequire(import.meta.url).resolve("onnxruntime-node");
    const started = new OrtProcess();
    await started.call("load", path).catch((error: unknown) => {
      started.close();
      throw error;
    });
    return started;
  }

  /** The process keeps this one alive while it works, and no longer. */
  async call<Name extends keyof Calls>(
    name: Name,
    ...values: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>> {
    this.#child.ref();
    this.#child.channel?.ref();
    try {
      return (await this.#calls.call([name, ...values])) as ReturnType<Calls[Name]>;
    } finally {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }

  close(): void {
    this.#calls.close();
  }
}
