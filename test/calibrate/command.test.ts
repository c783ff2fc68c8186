/** `tritc calibrate`: what it takes and says. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openCalibration } from "../../compiler/calibration/folder.js";
import { cli } from "../support/cli.js";
import { documentedKeys } from "../support/cli-docs.js";

const root = mkdtempSync(join(tmpdir(), "tritc-calibrate-command-"));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string) => join(root, name);

const SHAPES = "test/models/shapes";
writeFileSync(at("lines.txt"), "a photo of a red circle\n\na photo of a blue square\n");
writeFileSync(at("geneval.jsonl"), `{"tag": "colors", "prompt": "a photo of a green ring"}\n`);
const short = (out: string) => [SHAPES, "--steps", "1", "--threads", "1", "-o", at(out)];

describe("tritc calibrate", () => {
  it("draws the prompts of several files, says what it did, and merges", async () => {
    const argv = [...short("whole"), "--prompts", at("lines.txt"), "--prompts", at("geneval.jsonl")];
    const first = await cli(["calibrate", ...argv, "--batch", "2", "--progress", "json"]);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).toMatch(/whole: 3 samples of 64x64, 1 step in .*, .* a second\n$/);
    const events = first.stderr.trimEnd().split("\n");
    expect(JSON.parse(events.at(-1) ?? "")).toMatchObject({ phase: "sampling", done: 3, total: 3 });
    const { description } = await openCalibration(at("whole"));
    expect(description.prompts).toEqual([
      "a photo of a red circle",
      "a photo of a blue square",
      "a photo of a green ring",
    ]);

    const again = await cli(["calibrate", ...argv, "--batch", "2", "--json"]);
    const report = JSON.parse(again.stdout) as object;
    expect(report).toMatchObject({ out: at("whole"), prompts: 3, samples: 3, kept: 3, parts: 2 });
    const merged = await cli(["calibrate", "--merge", at("whole"), "-o", at("merged"), "--json"]);
    expect(JSON.parse(merged.stdout)).toEqual({ out: at("merged"), samples: 3, parts: 2, shards: 1 });
    const said = documentedKeys("calibrate");
    for (const key of [...Object.keys(report), "shards"]) expect(said).toContain(key);
    expect(readdirSync(at("merged"))).toEqual(readdirSync(at("whole")));
  });

  it.each([
    ["no model", ["-o", at("none"), "--prompts", at("lines.txt")], "TRITC_E_USAGE"],
    ["no prompts", short("none"), "TRITC_E_USAGE"],
    ["a share that is none", [...short("none"), "--shard", "5/4"], "TRITC_E_USAGE"],
    ["a model to merge", [...short("none"), "--merge", at("lines.txt")], "TRITC_E_USAGE"],
    ["a merge of what is none", ["--merge", root, "-o", at("none")], "TRITC_E_CALIBRATION"],
    ["standard output", [SHAPES, "-o", "-", "--prompts", at("lines.txt")], "TRITC_E_USAGE"],
  ])("refuses %s", async (_, argv, code) => {
    const { stdout } = await cli(["calibrate", ...argv, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code } });
    expect(readdirSync(root)).not.toContain("none");
  });
});
