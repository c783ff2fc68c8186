import { table } from "../../compiler/cli/terminal.js";
import { type Comparison, isWithinSpread } from "./compare.js";
import type { Measured } from "./measure.js";
import type { BenchResult } from "./result.js";

/** A result for people: a row for each task, subjects above theirs. */
export function resultTable({ subjects, machine, device, threads, versions, date }: BenchResult): string {
  const head = ["", "time", "±", "processor time", "runs", "x peer", "±", "by processor time"];
  const rows = subjects.flatMap(({ name, tasks }) => [
    [name, "", "", "", "", "", "", ""],
    ...tasks.map(rowOf),
  ]);
  const about = [
    ["machine", `${machine.cores} x ${machine.processor}, load ${machine.load.toFixed(1)}`],
    ["device", `${device}, ${threads} ${threads === 1 ? "thread" : "threads"}`],
    [
      "versions",
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", "),
    ],
    ["date", date],
  ] as const;
  return `${table([head, ...rows])}\n\n${table(about)}`;
}

function rowOf(task: Measured): readonly string[] {
  const { speedup, speedupSpread, processorSpeedup } = task;
  return [
    `  ${task.name}`,
    seconds(task.median),
    percent(task.spread),
    seconds(task.processor),
    String(task.samples),
    speedup === null ? "" : `${speedup.toFixed(2)}x`,
    speedupSpread === null ? "" : percent(speedupSpread),
    processorSpeedup === null ? "" : `${processorSpeedup.toFixed(2)}x`,
  ];
}

/** Ratios of times now and then, above 1 slower. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const head = ["", "now / then", "±", "over the peer's", "±", ""];
  const rows = comparisons.map((one) => [
    `${one.subject}: ${one.task}`,
    one.ratio.toFixed(2),
    one.spread.toFixed(2),
    one.againstPeer === null ? "" : one.againstPeer.toFixed(2),
    one.peerSpread === null ? "" : one.peerSpread.toFixed(2),
    verdict(one),
  ]);
  return table([head, ...rows]);
}

function verdict(comparison: Comparison): string {
  if (isWithinSpread(comparison)) return "within the spread";
  return (comparison.againstPeer ?? comparison.ratio) > 1 ? "slower" : "faster";
}

function seconds(value: number): string {
  if (value >= 1) return `${value.toFixed(2)} s`;
  if (value >= 1e-3) return `${(value * 1e3).toPrecision(3)} ms`;
  return `${(value * 1e6).toPrecision(3)} µs`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
}
