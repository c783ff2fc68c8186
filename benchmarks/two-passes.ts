/**
 * Guidance by two passes, both as one program beside one after the other:
 *
 *   node dist/benchmarks/two-passes.js plan <model> --target h200     by count, no weights are read
 *   node dist/benchmarks/two-passes.js measure <bundle> [--rounds 5] [--size 256x256]     interleaved, on the bundle's device
 *
 * An evaluation of passes that follow one another prepares a text too, since only one is there at a time.
 */
import { parseArgs } from "node:util";
import { planModel } from "../compiler/account/plan-model.js";
import { table } from "../compiler/cli/terminal.js";
import { recognize } from "../compiler/compile-graph.js";
import { fileReader } from "../compiler/file-reader.js";
import { importModel } from "../compiler/import-model.js";
import type { Resolution } from "../compiler/resolutions.js";
import { randomInputs } from "../compiler/tune/random-inputs.js";
import { formatBytes, formatDuration } from "../compiler/units.js";
import type { Bindings } from "../ir/dim.js";
import { launchesThatRun } from "../ir/program/phases.js";
import type { Launch, Program } from "../ir/program/program.js";
import { forTwoTexts, OTHER_TXT_TOKENS } from "../ir/program/two-texts.js";
import { launchWork, timeFloor, totalWork } from "../ir/program/work.js";
import type { LoadedProgram } from "../runtime/device.js";
import { openBundle } from "../runtime/node/bundle.js";
import { openDevice } from "../runtime/node/open-device.js";
import { targetByName } from "../targets/index.js";
import { bufferBytes, buffersById, isKept } from "../targets/memory/buffers.js";
import { programMemory } from "../targets/memory/index.js";
import { ratesOf } from "../targets/rates.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    target: { type: "string", default: "h200" },
    rounds: { type: "string", default: "5" },
    size: { type: "string" },
    threads: { type: "string" },
  },
});
const [mode, path] = positionals;
if (path === undefined || (mode !== "plan" && mode !== "measure")) throw new Error("plan or measure what?");
process.stdout.write(`${await (mode === "plan" ? counted(path) : measured(path))}\n`);

function withOther(sizes: Bindings): Bindings {
  return { ...sizes, [OTHER_TXT_TOKENS]: sizes.txt_tokens ?? 1 };
}

function formOf(program: Program): Program {
  const form = forTwoTexts(program);
  if (form === undefined) throw new Error("the model reads no text");
  return form;
}

/** Bytes of weights that launches read. */
function weightBytes(program: Program, launches: readonly Launch[]): number {
  const buffers = buffersById(program);
  return launches
    .flatMap(({ args }) => args.map(({ buffer }) => buffers.get(buffer)))
    .reduce((sum, buffer) => sum + (buffer !== undefined && isKept(buffer) ? bufferBytes(buffer, {}) : 0), 0);
}

async function counted(model: string): Promise<string> {
  const target = targetByName(values.target);
  const reader = fileReader();
  try {
    const imported = importModel(model);
    const { lowered, account } = planModel(imported, recognize(imported, reader), reader, {
      ...{ target, ternarize: "absmean", activations: "int8" },
      resolutions: [256, 512, 1024].map((side) => ({ width: side, height: side })),
    });
    const { program } = lowered;
    const form = formOf(program);
    const rates = ratesOf(target);
    const rows = account.plans.map(({ resolution, sizes }) => {
      const of = (which: Program, bindings: Bindings, times: number) => {
        const step = launchesThatRun(which, "step");
        const works = launchWork(which, step, bindings);
        const prompt = launchWork(which, launchesThatRun(which, "prompt"), bindings);
        const seconds = (list: typeof works) => timeFloor(list, rates) ?? Number.NaN;
        const { readBytes, writtenBytes } = totalWork(works);
        return [
          String(times * step.length),
          formatBytes(times * weightBytes(which, step)),
          formatBytes(times * (readBytes + writtenBytes)),
          formatDuration(times * seconds(works)),
          formatDuration(seconds(prompt)),
          formatBytes(programMemory(which, bindings, target, "keep").peak),
        ];
      };
      const name = `${resolution?.width}x${resolution?.height}`;
      return [
        [name, "two passes", ...of(program, sizes, 2)],
        [name, "one program", ...of(form, withOther(sizes), 1)],
      ];
    });
    const heads = ["", "", "launches", "weights", "moved", "step at least", "prompt at least", "memory"];
    return table([heads, ...rows.flat()]);
  } finally {
    reader.close();
  }
}

function sizeOf(text: string): Resolution {
  const [width = 0, height = 0] = text.split("x").map(Number);
  return { width, height };
}

interface Times {
  readonly wall: number;
  readonly processor: number;
}

async function timed(work: () => Promise<void>): Promise<Times> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - started) / 1000, processor: (user + system) / 1e6 };
}

function write(loaded: LoadedProgram, program: Program, sizes: Bindings): void {
  const dtypes = new Map(program.buffers.map(({ id, dtype }) => [id, dtype]));
  for (const [name, { data }] of randomInputs(program, 0, sizes)) {
    const port = program.inputs.find((input) => input.name === name);
    if (port === undefined || !(data instanceof Float32Array)) continue;
    loaded.write(port.buffer, dtypes.get(port.buffer) === "i32" ? Int32Array.from(data) : data);
  }
}

async function measured(folder: string): Promise<string> {
  const { program, manifest, code, weights } = await openBundle(folder);
  const [plan] = manifest.memory.plans;
  const pixels = manifest.sampling?.pixelsPerToken ?? 1;
  const { width, height } = sizeOf(values.size ?? `${plan?.width}x${plan?.height}`);
  const sizes = {
    img_tokens: (width / pixels) * (height / pixels),
    txt_tokens: plan?.textTokens ?? 1,
    steps: plan?.steps ?? 1,
  };
  const form = formOf(program);
  const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
  const device = await openDevice(program.target, { ...threads, software: true });
  const { promptWeights } = manifest.memory;
  const loaded = await device.load(program, code, weights, { promptWeights });
  const all = { prompt: [] as Times[], apart: [] as Times[], preparing: [] as Times[], once: [] as Times[] };
  for (let round = 0; round < Number(values.rounds); round++) {
    await loaded.bind(sizes);
    write(loaded, program, sizes);
    all.prompt.push(await timed(() => loaded.run(["prompt"], 0)));
    all.apart.push(
      await timed(async () => {
        for (let pass = 0; pass < 2; pass++) await loaded.run(["step"], 0);
      }),
    );
    await loaded.bind(withOther(sizes), form);
    write(loaded, form, withOther(sizes));
    all.preparing.push(await timed(() => loaded.run(["prompt"], 0)));
    all.once.push(await timed(() => loaded.run(["step"], 0)));
  }
  await loaded.close();
  await device.close();
  const median = (times: readonly Times[], of: keyof Times) =>
    times.map((time) => time[of]).sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
  const row = (name: string, times: readonly Times[]) => [
    name,
    ...(["wall", "processor"] as const).map((of) => formatDuration(median(times, of))),
  ];
  return `${width}x${height}, ${device.kind}: ${device.description}, ${values.rounds} rounds, medians\n${table(
    [
      ["", "time", "processor time"],
      row("two steps", all.apart),
      row("one step for both", all.once),
      row("prompt of one text", all.prompt),
      row("prompt of both", all.preparing),
    ],
  )}`;
}
