import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";

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
  run(feeds: readonly OrtValue[]): readonly OrtValue[];
}

const SOURCE = `
let ort, session;
const calls = {
  load(path) {
    ort = require(path);
    return null;
  },
  async open(path, options) {
    session = await ort.InferenceSession.create(path, options);
    return { inputs: session.inputMetadata, outputNames: session.outputNames };
  },
  async run(feeds) {
    const tensors = Object.create(null);
    for (const [name, type, data, shape] of feeds) tensors[name] = new ort.Tensor(type, data, shape);
    return Object.entries(await session.run(tensors)).map(([name, { type, data, dims }]) => {
      // On an engine with Float16Array the runtime hands out numbers, elsewhere the bits.
      const isHalf = type === "float16" && ArrayBuffer.isView(data);
      return [name, type, isHalf ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data, dims];
    });
  },
};
process.on("message", async ([name, ...values]) => {
  try {
    process.send({ result: await calls[name](...values) });
  } catch (error) {
    process.send({ failure: error instanceof Error ? error.message : String(error) });
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
  readonly #kill = () => void this.#child.kill("SIGKILL");
  #settle: { resolve(result: unknown): void; reject(error: Error): void } | undefined;
  #ended: Error | undefined;

  private constructor() {
    this.#child = spawn(process.execPath, ["-e", SOURCE], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "advanced",
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
    });
    this.#child.on("message", (message: { readonly failure?: string; readonly result?: unknown }) => {
      if (message.failure === undefined) this.#settle?.resolve(message.result);
      else this.#settle?.reject(new Error(message.failure));
    });
    this.#child.on("error", (error) => this.#end(error));
    this.#child.on("exit", (code, signal) =>
      this.#end(
        new Error(`the process of ONNX Runtime ended (${signal ?? code}); the memory may be too small`),
      ),
    );
    process.once("exit", this.#kill);
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
      return (await new Promise<unknown>((resolve, reject) => {
        if (this.#ended !== undefined) return reject(this.#ended);
        this.#settle = { resolve, reject };
        this.#child.send([name, ...values], (error) => error !== null && reject(error));
      })) as ReturnType<Calls[Name]>;
    } finally {
      this.#settle = undefined;
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }

  close(): void {
    process.off("exit", this.#kill);
    this.#kill();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#settle?.reject(error);
  }
}
