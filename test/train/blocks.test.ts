/** A tiny random transformer behind the shapes model's text encoders, distilled block by block. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { calibrate } from "../../compiler/calibrate/calibrate.js";
import { fileReader } from "../../compiler/file-reader.js";
import { isBlockRole } from "../../compiler/models/index.js";
import { importAndRecognize } from "../../compiler/recognize/recognition.js";
import type { CourseProgress } from "../../compiler/train/blocks/course.js";
import {
  type DistillBlocksOptions,
  type DistillBlocksReport,
  distillBlocks,
} from "../../compiler/train/blocks/distill-blocks.js";
import { mergeBlocks } from "../../compiler/train/blocks/merge.js";
import { segmentOf } from "../../compiler/train/blocks/segments.js";
import { unshare } from "../../compiler/train/blocks/unshare.js";
import { openLearned } from "../../compiler/train/learned.js";
import { parametersOf } from "../../compiler/train/parameters.js";
import { readConstant } from "../../ir/constant/read.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { cli } from "../support/cli.js";
import { documentedKeys } from "../support/cli-docs.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";
import { snapshot } from "../support/tree.js";

const root = mkdtempSync(join(tmpdir(), "tritc-blocks-"));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string) => join(root, name);
const options = (out: string, more: Partial<DistillBlocksOptions> = {}): DistillBlocksOptions => ({
  input: at("pipeline"),
  calibration: at("calibration"),
  out: at(out),
  ...{ states: 10, steps: 12, batch: 4, seed: 5, threads: 1 },
  ...more,
});
const segment = (index: number, more: Partial<DistillBlocksOptions> = {}) =>
  options(`segment-${index}`, { shard: { index, count: 2 }, ...more });

let report: DistillBlocksReport;
beforeAll(async () => {
  const pipeline = writePipeline(at("pipeline"));
  mkdirSync(join(pipeline, "transformer"));
  writeTransformer(join(pipeline, "transformer", "model.onnx"), 64);
  await calibrate({
    ...{ input: pipeline, out: at("calibration"), threads: 1, batch: 4, samples: 6, steps: 2, moments: true },
    prompts: ["a photo of a red circle", "a photo of a blue ring"],
  });
  report = await distillBlocks(options("student"));
});

/** What the command line says of a training. */
async function command(...argv: readonly string[]): Promise<DistillBlocksReport> {
  const { code, stdout, stderr } = await cli(["distill", at("pipeline"), ...argv]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

/** The blocks' weights of a model, by role. */
function weightsOf(path: string): ReadonlyMap<string, Float32Array> {
  const reader = fileReader();
  try {
    const graph = importAndRecognize(path, reader);
    return new Map(
      graph.nodes.flatMap(({ op, attrs, inputs }) => {
        const weight = graph.constants.get(inputs[1] ?? "");
        if (op !== "linear" || !isBlockRole(attrs.role) || weight === undefined) return [];
        return [[attrs.role ?? "", Float32Array.from(readConstant(weight, reader).data, Number)]];
      }),
    );
  } finally {
    reader.close();
  }
}

describe("distill --stage blocks", () => {
  it("brings every block closer to the teacher's results, and says how much", () => {
    expect(report.blocks.map(({ block }) => block)).toEqual(["double.0", "single.0", "single.1"]);
    for (const { losses, before, after } of report.blocks) {
      expect(losses.length).toBe(12);
      expect(before).toBe(losses[0]);
      expect(after).toBeLessThan(0.95 * before);
    }
    expect(report).toMatchObject({ samples: 6, states: 10, steps: 12, batch: 4, out: at("student") });
    expect(report.parameters).toBeGreaterThan(report.ternaryWeights);
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("makes the same of two segments, which are put together in any order", async () => {
    const argv =
      "--states 10 --steps 12 --batch 4 --seed 5 --threads 1 --stage blocks --shard 2/2 --json".split(" ");
    const second = await command(...argv, "--calibration", at("calibration"), "-o", at("segment-2"));
    const parts = [await distillBlocks(segment(1)), second];
    expect(parts.map(({ blocks }) => blocks.map(({ block }) => block))).toEqual([
      ["double.0"],
      ["single.0", "single.1"],
    ]);
    // The first has learned what it learns in one piece; the second learns from the teacher's values, not from the first one's.
    expect(parts[0]?.blocks[0]?.losses).toEqual(report.blocks[0]?.losses);
    expect(parts[1]?.blocks[0]?.losses).not.toEqual(report.blocks[1]?.losses);
    const segments = ["--merge", at("segment-2"), "--merge", at("segment-1")];
    const merge = await command("--stage", "blocks", ...segments, "-o", at("merged"), "--json");
    expect(merge).toMatchObject({ segments: 2, blocks: parts.flatMap(({ blocks }) => blocks) });
    for (const said of [second, merge])
      expect([...documentedKeys("distill")]).toEqual(expect.arrayContaining(Object.keys(said)));
    const merged = weightsOf(at("merged"));
    expect([...merged.keys()].sort()).toEqual([...weightsOf(at("pipeline")).keys()].sort());
    const reader = fileReader();
    const learned = new Map(
      ["segment-1/double.0", "segment-2/single.0", "segment-2/single.1"].flatMap((name) => [
        ...openLearned(at(`${name}.safetensors`)),
      ]),
    );
    const read = (name: string) => {
      const constant = learned.get(name);
      if (constant === undefined) throw new Error(`nothing of ${name}`);
      return Array.from(readConstant(constant, reader).data, Number);
    };
    const graph = importAndRecognize(at("pipeline"), reader);
    for (const { attrs, op, inputs } of graph.nodes) {
      if (op !== "linear" || !isBlockRole(attrs.role)) continue;
      const [codes, scales] = [read(`${inputs[1]}.codes`), read(`${inputs[1]}.scales`)];
      const columns = codes.length / scales.length;
      const expected = codes.map((t, i) => t * (scales[Math.floor(i / columns)] ?? 0));
      expect(merged.get(attrs.role ?? ""), attrs.role ?? "").toEqual(Float32Array.from(expected));
    }
    reader.close();
  });

  it("goes on where it was stopped, to the same bytes", async () => {
    const stopAt = async (wanted: Partial<CourseProgress>) => {
      const controller = new AbortController();
      const seen: string[] = [];
      const stopped = distillBlocks(
        options("stopped", {
          signal: controller.signal,
          onProgress(progress) {
            seen.push(`${progress.phase} ${progress.block} ${progress.done}`);
            const found = Object.entries(wanted).every(([key, value]) => Object(progress)[key] === value);
            if (found) controller.abort(new Error("stopped"));
          },
        }),
      );
      await expect(stopped).rejects.toThrow("stopped");
      return seen;
    };
    await stopAt({ phase: "training", block: "double.0", done: 7 });
    const state = snapshot(at(".stopped.partial"));
    await expect(distillBlocks(options("stopped", { seed: 6 }))).rejects.toMatchObject({
      code: "TRITC_E_TRAINING_STATE",
    });
    expect(snapshot(at(".stopped.partial"))).toEqual(state);
    expect((await stopAt({ phase: "student", block: "double.0" }))[0]).toBe("training double.0 8");
    expect((await stopAt({ phase: "training", block: "single.1" }))[0]).toBe("student double.0 4");
    await distillBlocks(options("stopped"));
    expect(snapshot(at("stopped"))).toEqual(snapshot(at("student")));
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("keeps no more than what later blocks read", async () => {
    const most = new Map<string, number>();
    const folder = at(".watched.partial/journal");
    await distillBlocks(
      options("watched", {
        onProgress({ phase, block }) {
          if (phase !== "training") return;
          const streams = readdirSync(folder).filter((name) => name.endsWith(".f32"));
          most.set(
            block,
            Math.max(most.get(block) ?? 0, streams.filter((name) => name.startsWith("student")).length),
          );
          expect(streams.length).toBeLessThan(12);
        },
      }),
    );
    // Of the trained blocks: nothing before the first one, text and image before the first single block, the joint rows then.
    expect([...most.values()]).toEqual([0, 2, 1]);
  });

  it("starts at calibrated codes, of the segment's blocks alone", async () => {
    const { blocks } = await distillBlocks({ ...segment(2), out: at("calibrated"), start: "calibrated" });
    const { before } = blocks[0] ?? { before: 1 };
    const exact = JSON.parse(readFileSync(join(at("segment-2"), "segment.json"), "utf8")).blocks[0].before;
    expect(before).toBeLessThan(exact);
  });

  it("puts nothing together that is not all of one training", async () => {
    await distillBlocks({ ...segment(2), out: at("other"), seed: 6 });
    cpSync(at("segment-1"), at("torn"), { recursive: true });
    rmSync(at("torn/double.0.safetensors"));
    const [first, second] = [at("segment-1"), at("segment-2")];
    const wrong = [
      [first],
      [second],
      [first, first],
      [first, second, second],
      [first, at("other")],
      [at("torn"), second],
      [first, at("student")],
    ];
    for (const segments of wrong) {
      const merged = mergeBlocks({ input: at("pipeline"), segments, out: at("wrong") });
      await expect(merged, String(segments)).rejects.toMatchObject({ code: "TRITC_E_SEGMENT" });
    }
    const foreign = mergeBlocks({ input: "test/models/shapes", segments: [first, second], out: at("wrong") });
    await expect(foreign).rejects.toMatchObject({ code: "TRITC_E_SEGMENT" });
    expect(readdirSync(root)).not.toContain("wrong");
  });

  it.each([
    ["--stage end-to-end --calibration c --states 3", "--states"],
    ["--calibration c --shard 1/2", "--shard"],
    ["--merge a", "--merge"],
    ["--stage blocks --calibration c --emit slurm --shard 1/2", "--shard"],
    ["--stage blocks", "--calibration"],
    ["--stage blocks --calibration c --merge a", "--calibration"],
  ])("refuses %s", async (given, place) => {
    const { code, stdout } = await cli([
      "distill",
      "model",
      ...given.split(" "),
      "-o",
      at("wrong"),
      "--json",
    ]);
    expect([code, JSON.parse(stdout).error]).toMatchObject([2, { code: "TRITC_E_USAGE", place }]);
  });

  it("refuses what it cannot do, and to replace what is no segment", async () => {
    const refused = (more: Partial<DistillBlocksOptions>, code: string) =>
      expect(distillBlocks({ ...segment(1), ...more })).rejects.toMatchObject({ code });
    await refused({ shard: { index: 1, count: 4 } }, "TRITC_E_RANGE");
    await refused({ states: 0 }, "TRITC_E_RANGE");
    await refused({ out: at("calibration") }, "TRITC_E_OUT_EXISTS");
    writeFileSync(at("segment-1/notes.txt"), "mine");
    await refused({}, "TRITC_E_OUT_EXISTS");
    rmSync(at("segment-1/notes.txt"));
    const before = snapshot(at("segment-1"));
    await distillBlocks(segment(1, { steps: 2 }));
    expect(snapshot(at("segment-1"))).not.toEqual(before);
  });
});

describe("segments of blocks", () => {
  it.each([
    [
      [3, 3, 1, 1, 1, 1],
      2,
      [
        [0, 2],
        [2, 6],
      ],
    ],
    [
      [3, 3, 1, 1, 1, 1],
      3,
      [
        [0, 1],
        [1, 3],
        [3, 6],
      ],
    ],
    [
      [1, 1, 1],
      3,
      [
        [0, 1],
        [1, 2],
        [2, 3],
      ],
    ],
    [
      [1, 1, 9],
      2,
      [
        [0, 2],
        [2, 3],
      ],
    ],
    [
      [9, 1, 1],
      3,
      [
        [0, 1],
        [1, 2],
        [2, 3],
      ],
    ],
    [[1, 1, 1], 1, [[0, 3]]],
  ])("of %j in %i", (weights, count, expected) => {
    const found = expected.map((_, i) => segmentOf(weights, { index: i + 1, count }));
    expect(found.map(({ first, end }) => [first, end])).toEqual(expected);
  });
});

describe("unshare", () => {
  it("gives two layers that read one weight a parameter each", () => {
    const graph = parseGraph(`graph "g" {
      input %x: f32[1, 2]
      const %w: f32[2, 2] = fill(1)
      %y: f32[1, 2] = linear(%x, %w, _) {"role": null, "activation": "none", "gated": false}
      %z: f32[1, 2] = linear(%y, %w, _) {"role": null, "activation": "none", "gated": false}
      output %z
    }`);
    expect(parametersOf(graph).map(({ id }) => id)).toEqual(["w"]);
    expect(parametersOf(unshare(graph)).map(({ id }) => id)).toEqual(["w", "w@2"]);
  });
});
