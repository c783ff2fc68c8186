/**
 * The process that runs candidates of kernels, each of which may crash or hang: whoever started it ends it then. Answers each
 * call with a result or with what went wrong.
 */
import { createHash } from "node:crypto";
import { EXTRA_FEATURES } from "../../ir/families/launch/features.js";
import type { Device, LoadedProgram } from "../../runtime/device.js";
import { type Answer, failureOf } from "../../runtime/node/child-calls.js";
import { type OpenDeviceOptions, openDevice } from "../../runtime/node/open-device.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { targetByName } from "../../targets/index.js";
import { CASE_PHASE, type CaseProgram } from "./case-program.js";
import type { CaseCode, MeasuringCalls } from "./messages.js";
import { operandBytes } from "./operands.js";

let device: Device | undefined;
/** Programs, and the buffers that their results are in. */
const loaded = new Map<string, { readonly program: LoadedProgram; readonly results: readonly string[] }>();

type Async<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never;

const calls: { readonly [Name in keyof MeasuringCalls]: Async<MeasuringCalls[Name]> } = {
  async open(target: string, options: OpenDeviceOptions) {
    const opened = await openDevice(target, { ...options, timing: true });
    device = opened;
    // The most demanding kind that it has everything of.
    const kind = deviceKinds(targetByName(target)).findIndex(({ name, features, cuda }) =>
      (cuda === null ? features : [name]).every((feature) => opened.has(feature)),
    );
    const features = EXTRA_FEATURES.filter((feature) => opened.has(feature));
    return { description: opened.description, kind, features };
  },

  async load(key: string, { program, fillings, results }: CaseProgram, { source, binary }: CaseCode) {
    const wanted = new Map(fillings.map((filling) => [filling.tensor, filling]));
    const code = { source: () => source, binary: () => new Uint8Array(binary ?? []) };
    const weights = {
      async bytes(tensor: string) {
        const filling = wanted.get(tensor);
        if (filling === undefined) throw new RangeError(`no operand ${tensor}`);
        return operandBytes(filling);
      },
    };
    const made = await opened().load(program, code, weights);
    loaded.set(key, { program: made, results });
    await made.bind({});
    await made.run([CASE_PHASE], 0);
    return resultsOf(key);
  },

  results: resultsOf,

  async time(key: string, runs: number) {
    const { program } = programOf(key);
    const seconds: number[] = [];
    for (let i = 0; i < runs; i++) seconds.push(await secondsOf(program));
    return seconds;
  },

  async free(key: string) {
    await loaded.get(key)?.program.close();
    loaded.delete(key);
    return null;
  },
};

/**
 * Of a run: by the device's own clock where it has one (CUDA's events, WebGPU's timestamps), which leaves out what the host does
 * meanwhile.
 */
async function secondsOf(program: LoadedProgram): Promise<number> {
  const own = await program.timed?.([CASE_PHASE], 0);
  if (own !== undefined) return own;
  const begun = process.hrtime.bigint();
  await program.run([CASE_PHASE], 0);
  return Number(process.hrtime.bigint() - begun) / 1e9;
}

async function resultsOf(key: string): Promise<string> {
  const { program, results } = programOf(key);
  const hash = createHash("sha256");
  for (const id of results) {
    const { buffer, byteOffset, byteLength } = await program.read(id);
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest("hex");
}

function programOf(key: string) {
  const known = loaded.get(key);
  if (known === undefined) throw new RangeError(`no program ${key}`);
  return known;
}

function opened(): Device {
  if (device === undefined) throw new RangeError("no device was opened");
  return device;
}

/** Whoever asked may be gone. */
const answer = (message: Answer) => process.send?.(message, () => undefined);

process.on("message", async ([name, ...values]: [keyof MeasuringCalls, ...unknown[]]) => {
  try {
    answer({ result: await (calls[name] as (...values: unknown[]) => Promise<unknown>)(...values) });
  } catch (error) {
    answer(failureOf(error));
  }
});
// Ctrl-C in a terminal reaches all processes: whoever started this one ends it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
process.on("disconnect", () => process.exit());
