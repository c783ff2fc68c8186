import { join } from "node:path";
import { cacheDir } from "../../../runtime/node/cache-dir.js";
import { keyOf } from "../../../templates/choice/configs.js";
import type { TunedKernel } from "../../tune/results.js";
import type { TuneReport } from "../../tune/tune.js";
import { formatDuration, formatQuantity } from "../../units.js";
import { loaded } from "../loaded.js";
import type { CommonOptions, DeviceOptions } from "../options.js";
import { Output } from "../output.js";
import { runsText } from "../runs-text.js";
import { type Progress, Terminal, table } from "../terminal.js";

export interface TuneCommandOptions extends CommonOptions, DeviceOptions {
  readonly budget: number;
  readonly network?: readonly string[];
  readonly kernels?: readonly string[];
  readonly rows?: readonly number[];
  readonly import?: readonly string[];
  readonly export?: string;
  readonly again?: boolean;
}

const UNITS = { baseline: "kernels", candidates: "candidates" } as const;

export async function tune(path: string, options: TuneCommandOptions): Promise<void> {
  const terminal = new Terminal(options);
  const output =
    options.export === undefined
      ? undefined
      : await Output.open({ ...options, out: options.export }, "JSON lines", "--export");
  const [{ tuneBundle }, { readRecords, printRecords }] = await loaded(
    Promise.all([import("../../tune/tune.js"), import("../../tuning/records.js")]),
    options,
  );
  const known = (await Promise.all((options.import ?? []).map(readRecords))).flat();
  let shown: { readonly phase: keyof typeof UNITS; readonly progress: Progress } | undefined;
  const report = await tuneBundle({
    bundle: path,
    budget: options.budget,
    networks: options.network,
    kernels: options.kernels,
    rows: options.rows,
    known,
    again: options.again === true,
    threads: options.threads,
    software: options.software,
    stallSeconds: options.stallSeconds,
    kernelCache: join(cacheDir(), "kernels"),
    signal: options.io.interruptSignal(),
    onNotice: (text) => terminal.note(text),
    onProgress({ phase, done, total }) {
      if (shown?.phase !== phase) {
        shown?.progress.stop();
        shown = { phase, progress: terminal.progress(phase, UNITS[phase]) };
      }
      shown.progress.update(done, total);
    },
  }).finally(() => shown?.progress.stop());
  if (output !== undefined) await output.write([Buffer.from(printRecords(report.records))]);
  const { records, ...summary } = report;
  terminal.summary(summary, describe(report));
}

function describe({
  kernels,
  unmeasured,
  networks,
  device,
  changed,
  before,
  after,
  seconds,
  bundle,
}: TuneReport): string {
  const rowOf = (kernel: TunedKernel): readonly string[] => [
    `${networks.length > 1 ? `${kernel.network}: ` : ""}${kernel.kernel}`,
    microseconds(kernel.before),
    microseconds(kernel.after),
    ratio(kernel),
    said(kernel),
  ];
  const measured = table([
    ["kernel", "before, µs", "after, µs", "ratio", ""],
    ...kernels.map(rowOf),
    ...unmeasured.map(({ network, kernel, why }) => [
      ...[`${networks.length > 1 ? `${network}: ` : ""}${kernel}`, "", "", ""],
      `not measured: ${why}`,
    ]),
  ]);
  const sum = table([
    ["bundle", bundle],
    ["device", device],
    ["changed", `${changed} of ${formatQuantity(kernels.length, "kernel")}`],
    ...networks.map(({ name, ...found }) => [
      `a ${name === "transformer" ? "step" : name}'s`,
      found.before === 0
        ? "not measured"
        : `${microseconds(found.before)} µs before, ${microseconds(found.after)} µs after, ${runsText(found.runs)}`,
    ]),
    [
      "a picture's",
      before === 0 ? "not measured" : `${formatDuration(before)} before, ${formatDuration(after)} after`,
    ],
    ["time", formatDuration(seconds)],
  ]);
  return [measured, sum].join("\n\n");
}

function microseconds(seconds: number): string {
  return (seconds * 1e6).toFixed(seconds < 1e-4 ? 1 : 0);
}

function ratio({ before, after, spread }: TunedKernel): string {
  return `${(before === 0 ? 1 : after / before).toFixed(2)} ± ${spread.toFixed(2)}`;
}

function said({ from, config, isKnown, tried, candidates, faults }: TunedKernel): string {
  const bad = Object.entries(faults).flatMap(([fault, count]) => (count > 0 ? [`${count} ${fault}`] : []));
  return [
    keyOf(from) === keyOf(config) ? "as it was" : keyOf(config),
    isKnown ? "by the records" : `${tried} of ${candidates} tried`,
    ...bad,
  ].join(", ");
}
