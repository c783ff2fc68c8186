import type { CourseProgress } from "../../train/blocks/course.js";
import type { DistillBlocksOptions } from "../../train/blocks/distill-blocks.js";
import type { BlockResult } from "../../train/blocks/result.js";
import { formatBytes, formatCount, formatDuration, formatQuantity } from "../../units.js";
import { loaded } from "../loaded.js";
import type { CommonOptions } from "../options.js";
import type { Progress } from "../progress.js";
import { Terminal, table } from "../terminal.js";

type Options = CommonOptions & Omit<DistillBlocksOptions, "input" | "onNotice" | "onProgress" | "signal">;

/** Trains blocks: all of them, or a segment. */
export async function trainBlocks(input: string, options: Options): Promise<void> {
  const terminal = new Terminal(options);
  const signal = options.io.interruptSignal();
  const { distillBlocks } = await loaded(import("../../train/blocks/distill-blocks.js"), options);
  const progress = new BlockProgress(terminal);
  const report = await distillBlocks({
    ...options,
    input,
    signal,
    onNotice: (text) => terminal.note(text),
    onProgress: (event) => progress.update(event),
  }).finally(() => progress.stop());
  terminal.summary(
    report,
    table([
      ...fileRows(report.files),
      ["trained", `${formatCount(report.parameters)}, ${formatCount(report.ternaryWeights)} of them ternary`],
      [
        "steps",
        `${formatQuantity(report.steps, "step")} of ${report.batch} of ${formatQuantity(report.states, "state")} a block`,
      ],
      ...report.blocks.map(errorRow),
      ["time", formatDuration(report.seconds)],
    ]),
  );
}

/** Puts segments together. */
export async function mergeSegments(
  input: string,
  segments: readonly string[],
  options: Options,
): Promise<void> {
  const terminal = new Terminal(options);
  const signal = options.io.interruptSignal();
  const { mergeBlocks } = await loaded(import("../../train/blocks/merge.js"), options);
  const { out, pipeline } = options;
  const report = await mergeBlocks({ input, segments, out, pipeline, signal });
  terminal.summary(
    report,
    table([
      ...fileRows(report.files),
      ["segments", `${report.segments}, ${formatQuantity(report.blocks.length, "block")}`],
    ]),
  );
}

function fileRows(files: readonly { readonly path: string; readonly bytes: number }[]) {
  return files.map(({ path, bytes }) => ["file", `${path}, ${formatBytes(bytes)}`]);
}

function errorRow({ block, before, after }: BlockResult) {
  const percent = (share: number) => `${(100 * share).toPrecision(3)}%`;
  return [
    block,
    `${percent(before)} of the variance of its results lost at first, ${percent(after)} at last`,
  ];
}

const UNITS = { states: "states", teacher: "states", student: "states", training: "steps" } as const;

/** A bar, or a phase of events, for each piece of work on a block. */
class BlockProgress {
  #label = "";
  #progress: Progress | undefined;

  constructor(private readonly terminal: Terminal) {}

  update({ phase, block, index, blocks, done, total, loss, secondsLeft }: CourseProgress): void {
    const label = phase === "states" ? phase : `${phase} ${block}`;
    if (label !== this.#label) {
      this.stop();
      this.#label = label;
      this.#progress = this.terminal.progress(label, UNITS[phase]);
    }
    const known = { loss, secondsLeft };
    const values = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
    this.#progress?.update(done, total, { block: index, blocks, ...values });
  }

  stop(): void {
    this.#progress?.stop();
  }
}
