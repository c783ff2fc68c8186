/**
 * `node dist/benchmarks/bundle-step.js <bundle> [--threads 2] [--steps 2] [--references 0]`: what it takes to load a bundle, and a prompt and
 * steps at its first resolution with random inputs: seconds, and those of all processors together, which say more where
 * other programs run beside it. `--references` are tokens of pictures to draw after, of models that compute those by themselves.
 */
import { parseArgs } from "node:util";
import { table } from "../compiler/cli/terminal.js";
import { printResolution } from "../compiler/resolutions.js";
import { randomInputs } from "../compiler/tune/random-inputs.js";
import { formatBytes } from "../compiler/units.js";
import { openBundle } from "../runtime/node/bundle.js";
import { openDevice } from "../runtime/node/open-device.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string" },
    steps: { type: "string", default: "2" },
    references: { type: "string", default: "0" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("which bundle?");

const rows: (readonly [string, string, string])[] = [["", "time", "processor time"]];

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  const seconds = (value: number) => `${value.toFixed(2)} s`;
  rows.push([what, seconds((performance.now() - started) / 1000), seconds((user + system) / 1e6)]);
  return result;
}

const bundle = await timed("open, all hashes", () => openBundle(folder));
const { program, manifest } = bundle;
const [plan] = manifest.memory.plans;
if (plan?.width == null || plan.height === null) throw new Error("the bundle draws no pictures");
const { width, height } = plan;
const pixels = manifest.sampling?.pixelsPerToken ?? 1;
const sizes = {
  img_tokens: (width / pixels) * (height / pixels),
  txt_tokens: plan.textTokens ?? 1,
  steps: plan.steps ?? 1,
  ref_tokens: Number(values.references),
};
const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
const device = await openDevice(program.target, { ...threads, software: true });
const { promptWeights } = manifest.memory;
const loaded = await timed("load weights", () =>
  device.load(program, bundle.code, bundle.weights, { promptWeights }),
);
await loaded.bind(sizes);
for (const [name, { data }] of randomInputs(program, 0, sizes)) {
  const port = program.inputs.find((input) => input.name === name);
  if (port !== undefined && data instanceof Float32Array) loaded.write(port.buffer, data);
}
await timed("prompt, all steps", () => loaded.run(["prompt"], 0));
for (let step = 0; step < Number(values.steps); step++) await timed("step", () => loaded.run(["step"], step));
const { kind, description } = device;
process.stdout.write(
  `${printResolution({ width, height })}, ${kind}: ${description}; ${formatBytes(loaded.peakMemoryBytes())} at most\n${table(rows)}\n`,
);
await device.close();
