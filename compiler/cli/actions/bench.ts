import {
  type BenchedKernel,
  type BenchedNetwork,
  type BenchReport,
  benchBundle,
} from "../../tune/bench-bundle.js";
import { formatDuration } from "../../units.js";
import type { CommonOptions, DeviceOptions } from "../options.js";
import { runsText } from "../runs-text.js";
import { Terminal, table } from "../terminal.js";

export interface BenchCommandOptions extends CommonOptions, DeviceOptions {
  readonly network?: readonly string[];
  readonly kernels?: readonly string[];
  readonly rounds: number;
}

export async function bench(path: string, options: BenchCommandOptions): Promise<void> {
  const terminal = new Terminal(options);
  const progress = terminal.progress("kernels", "kernels");
  const report = await benchBundle({
    bundle: path,
    networks: options.network,
    kernels: options.kernels,
    rounds: options.rounds,
    threads: options.threads,
    software: options.software,
    stallSeconds: options.stallSeconds,
    signal: options.io.interruptSignal(),
    onProgress: progress.update,
  }).finally(() => progress.stop());
  terminal.summary(report, describe(report));
}

function describe({ networks, device }: BenchReport): string {
  const whole = table([["device", device], ...networks.map(({ name, runs }) => [name, runsText(runs)])]);
  return [...networks.map((network) => describeNetwork(network, networks.length > 1)), whole].join("\n\n");
}

function describeNetwork(network: BenchedNetwork, isNamed: boolean): string {
  const { kernels, sum, step, spread, floor, sizes, name } = network;
  const rows = kernels.map((kernel) => rowOf(kernel, sum));
  const head = ["kernel", "rows", "launches", "µs", "±", "of a run", "GOP/s", "GB/s", "of peak"];
  const about = table([
    [
      "sizes",
      Object.entries(sizes)
        .map(([symbol, value]) => `${symbol} ${value}`)
        .join(", "),
    ],
    ["load", formatDuration(network.load)],
    ["prompt, all steps", formatDuration(network.prompt)],
    [
      name === "transformer" ? "step" : "run",
      `${formatDuration(step)} ± ${percent(spread)}, its kernels by themselves ${formatDuration(sum)}`,
    ],
    ["at peak rates", floor === null ? "not known for this device" : formatDuration(floor)],
  ]);
  return [...(isNamed ? [name] : []), table([head, ...rows]), about].join("\n\n");
}

function rowOf(kernel: BenchedKernel, sum: number): readonly (string | number)[] {
  const { seconds, spread, launches, rows, share } = kernel;
  return [
    kernel.kernel,
    rows,
    launches,
    Number((seconds * 1e6).toFixed(1)),
    percent(spread),
    percent((seconds * launches) / sum),
    Number((kernel.operationsPerSecond / 1e9).toFixed(1)),
    Number((kernel.bytesPerSecond / 1e9).toFixed(2)),
    share === null ? "" : percent(share),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
}
