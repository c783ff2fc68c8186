/** Moments of what linear layers read, against the reference interpreter; in shards, and of parts that were drawn without. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CalibrateOptions, calibrate } from "../../compiler/calibrate/calibrate.js";
import { mergeCalibrations } from "../../compiler/calibrate/merge.js";
import { linearInputs } from "../../compiler/calibrate/moments-graph.js";
import { type Calibration, openCalibration } from "../../compiler/calibration/folder.js";
import { MOMENTS_FILE, openMoments } from "../../compiler/calibration/moments.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { isBlockRole } from "../../compiler/models/index.js";
import { recognize } from "../../compiler/recognize/recognition.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";
import { expectedMoments } from "./expected-moments.js";

const root = mkdtempSync(join(tmpdir(), "tritc-moments-"));
afterAll(() => rmSync(root, { recursive: true }));
const at = (...path: string[]) => join(root, ...path);

const STEPS = 2;
const options = (out: string, more: Partial<CalibrateOptions> = {}): CalibrateOptions => ({
  ...{ input: at("pipeline"), out: at(out), prompts: ["a red circle", "two blue rings", "a green cross"] },
  ...{ steps: STEPS, batch: 1, seed: 3, threads: 1, moments: true },
  ...more,
});

let whole: Calibration;
beforeAll(async () => {
  writePipeline(at("pipeline"));
  mkdirSync(at("pipeline", "transformer"));
  writeTransformer(at("pipeline", "transformer", "model.onnx"), 64);
  await calibrate(options("whole", { batch: 2 }));
  whole = await openCalibration(at("whole"));
});

/** The largest difference, by the largest value. */
function apart(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  const values = Array.from(expected);
  const largest = Math.max(...values.map(Math.abs));
  return Math.max(...values.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN)))) / largest;
}

describe("moments", () => {
  it("are those of every block's linear layers, once for those that read the same", async () => {
    const reader = fileReader();
    const graph = recognize(importModel(at("pipeline")), reader);
    reader.close();
    const moments = await whole.moments();
    const roles = moments.flatMap((input) => input.roles);
    const all = graph.nodes.flatMap(({ op, attrs }) => (op === "linear" ? (attrs.role ?? []) : []));
    expect([...roles].sort()).toEqual(all.filter(isBlockRole).sort());
    const rowsOf = (role: string) => moments.find((input) => input.roles.includes(role))?.rows;
    expect(["double.0.img.modulation", "double.0.img.q", "double.0.txt.k", "single.1.v"].map(rowsOf)).toEqual(
      [1, 16, 12, 28],
    );

    const expected = await expectedMoments(graph, { pipeline: at("pipeline"), calibration: whole });
    for (const [i, { id }] of linearInputs(graph).entries()) {
      const { matrix = [], mean = [] } = (await moments[i]?.read()) ?? {};
      const wanted = expected.get(id);
      expect(apart(matrix, wanted?.second ?? []), id).toBeLessThan(1e-4);
      expect(apart(mean, wanted?.mean ?? []), id).toBeLessThan(1e-4);
    }
  });

  it("are added to what was drawn without, and merged", async () => {
    const first = { batch: 2, shard: { index: 1, count: 2 } };
    await calibrate(options("shard-1", { ...first, moments: false }));
    await expect((await openCalibration(at("shard-1"))).moments()).rejects.toMatchObject({
      code: "TRITC_E_CALIBRATION",
    });
    expect(await calibrate(options("shard-1", first))).toMatchObject({ samples: 2, kept: 0, moments: true });
    await calibrate(options("shard-2", { batch: 2, shard: { index: 2, count: 2 } }));
    await mergeCalibrations([at("shard-1"), at("shard-2")], at("merged"));
    const [merged, one] = [await (await openCalibration(at("merged"))).moments(), await whole.moments()];
    expect(merged.length).toBe(one.length);
    for (const [i, input] of merged.entries()) {
      const [found, expected] = [await input.read(), await one[i]?.read()];
      expect(apart(found.matrix, expected?.matrix ?? [])).toBeLessThan(1e-6);
      expect(apart(found.mean, expected?.mean ?? [])).toBeLessThan(1e-6);
    }
    // A part that was lost is drawn again, and not counted twice.
    const before = readFileSync(at("shard-2", MOMENTS_FILE));
    rmSync(at("shard-2", "part-000001.safetensors"));
    await calibrate(options("shard-2", { batch: 2, shard: { index: 2, count: 2 } }));
    expect(readFileSync(at("shard-2", MOMENTS_FILE)).equals(before)).toBe(true);
    const [again, part] = ["shard-2", "whole"].map((name) =>
      readFileSync(at(name, "part-000001.safetensors")),
    );
    expect(again).toEqual(part);
  });

  it("are refused where the file is damaged", async () => {
    const path = at("damaged", MOMENTS_FILE);
    cpSync(at("whole"), at("damaged"), { recursive: true });
    const bytes = readFileSync(path);
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(bytes.length - 4, 0x7fc00000, true);
    writeFileSync(path, bytes);
    const moments = await (await openCalibration(at("damaged"))).moments();
    await expect(moments.at(-1)?.read()).rejects.toMatchObject({ code: "TRITC_E_CALIBRATION" });
    writeFileSync(path, bytes.subarray(0, -4));
    expect(() => openMoments(at("damaged"))).toThrow(
      expect.objectContaining({ code: "TRITC_E_SAFETENSORS" }),
    );
    copyFileSync(at("whole", "part-000000.safetensors"), path);
    expect(() => openMoments(at("damaged"))).toThrow(
      expect.objectContaining({ code: "TRITC_E_CALIBRATION" }),
    );
  });
});
