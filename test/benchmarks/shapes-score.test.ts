import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Detection, readPicture } from "../../benchmarks/shapes-score/detect.js";
import { parsePromptRecord, readPrompts } from "../../benchmarks/shapes-score/prompts.js";
import { type PromptRecord, scorePicture, summarize, TAGS } from "../../benchmarks/shapes-score/score.js";
import { decodePng } from "../../runtime/node/png.js";

const EVAL = "test/models/shapes/eval";

interface Case {
  readonly file: string;
  readonly detected: readonly Detection[];
  readonly correct: boolean;
}

const cases: readonly Case[] = JSON.parse(readFileSync(join(EVAL, "detector", "cases.json"), "utf8"));

describe("the detector", () => {
  it.each(cases)("reads $file as the reference does", async (expected) => {
    const { rgb, width, height } = decodePng(await readFile(join(EVAL, "detector", expected.file)));
    const found = readPicture(rgb, width, height);
    const rounded = found.map((d) => ({ ...d, iou: Math.round(d.iou * 1000) / 1000 }));
    expect(rounded).toEqual(expected.detected);
    const record = parsePromptRecord(expected, expected.file);
    expect(scorePicture(found, record)).toBe(expected.correct);
  });

  it("covers every kind of prompt", () => {
    expect(cases.length).toBe(24);
    const tags = new Set(cases.map((c, i) => parsePromptRecord(c, `case ${i}`).tag));
    expect([...tags].sort()).toEqual([...TAGS].sort());
  });

  it("finds nothing on white, in specks or in one full color", () => {
    const picture = new Uint8Array(64 * 64 * 3).fill(255);
    expect(readPicture(picture, 64, 64)).toEqual([]);
    // 5x5 = 25 pixels, fewer than 30.
    for (let i = 0; i < 25; i++)
      picture.fill(
        20,
        ((Math.floor(i / 5) + 9) * 64 + (i % 5) + 9) * 3,
        ((Math.floor(i / 5) + 9) * 64 + (i % 5) + 10) * 3,
      );
    expect(readPicture(picture, 64, 64)).toEqual([]);
  });

  it("joins touching corners and takes the color inside the outline", () => {
    const picture = new Uint8Array(64 * 64 * 3).fill(255);
    const square = (x0: number, y0: number, size: number, rgb: readonly number[]): void => {
      for (let y = y0; y < y0 + size; y++)
        for (let x = x0; x < x0 + size; x++) picture.set(rgb, (y * 64 + x) * 3);
    };
    square(10, 20, 12, [25, 25, 25]);
    square(11, 21, 10, [45, 80, 220]);
    expect(readPicture(picture, 64, 64)).toMatchObject([{ class: "square", color: "blue", cx: 16, cy: 26 }]);
    square(22, 32, 12, [45, 80, 220]);
    // Two squares corner to corner are one component, unlike any shape.
    expect(readPicture(picture, 64, 64)).toEqual([]);
  });
});

describe("scorePicture", () => {
  const at = (shape: Detection["class"], color: Detection["color"], cx: number, cy: number): Detection => ({
    class: shape,
    color,
    cx,
    cy,
    iou: 0.9,
  });
  const circle = at("circle", "red", 16, 16);
  const ring = at("ring", "blue", 48, 20);
  const ask = (tag: PromptRecord["tag"], include: PromptRecord["include"]): PromptRecord => ({
    tag,
    prompt: "",
    include,
  });

  it("asks for classes", () => {
    const one = ask("single_object", [{ class: "ring", count: 1 }]);
    const two = ask("two_object", [
      { class: "ring", count: 1 },
      { class: "circle", count: 1 },
    ]);
    expect(scorePicture([circle, ring], one)).toBe(true);
    expect(scorePicture([circle], one)).toBe(false);
    expect(scorePicture([circle, ring], two)).toBe(true);
    expect(scorePicture([ring], two)).toBe(false);
    expect(scorePicture([], one)).toBe(false);
  });

  it("counts exactly, and nothing else beside", () => {
    const two = ask("counting", [{ class: "circle", count: 2 }]);
    const red = ask("counting", [{ class: "circle", count: 2, color: "red" }]);
    expect(scorePicture([circle, circle], two)).toBe(true);
    expect(scorePicture([circle, circle, circle], two)).toBe(false);
    expect(scorePicture([circle, circle, ring], two)).toBe(false);
    expect(scorePicture([circle], two)).toBe(false);
    expect(scorePicture([circle, { ...circle, color: "black" }], red)).toBe(false);
  });

  it("wants each color on its own object", () => {
    const pair = ask("color_attr", [
      { class: "circle", count: 1, color: "red" },
      { class: "ring", count: 1, color: "blue" },
    ]);
    expect(scorePicture([circle, ring], pair)).toBe(true);
    expect(
      scorePicture(
        [
          { ...circle, color: "blue" },
          { ...ring, color: "red" },
        ],
        pair,
      ),
    ).toBe(false);
  });

  it("compares centers along the axis in question", () => {
    const place = (kind: "left of" | "right of" | "above" | "below"): PromptRecord =>
      ask("position", [
        { class: "ring", count: 1 },
        { class: "circle", count: 1, position: [kind, 0] },
      ]);
    expect(scorePicture([circle, ring], place("left of"))).toBe(true);
    expect(scorePicture([circle, ring], place("right of"))).toBe(false);
    // dy is 4 of dx 32: above in sign, but not mainly above.
    expect(scorePicture([circle, ring], place("above"))).toBe(false);
    const diagonal = at("circle", "red", 48 - 10, 20 + 9);
    expect(scorePicture([diagonal, ring], place("left of"))).toBe(true);
    expect(scorePicture([diagonal, ring], place("below"))).toBe(true);
    // Only the first detection of a class counts.
    expect(scorePicture([at("circle", "red", 60, 20), ring, circle], place("left of"))).toBe(false);
    const colored = ask("position", [
      { class: "ring", count: 1, color: "green" },
      { class: "circle", count: 1, position: ["left of", 0] },
    ]);
    expect(scorePicture([circle, ring], colored)).toBe(false);
  });
});

describe("the prompts and the summary", () => {
  it("holds 60 prompts of each kind", async () => {
    const prompts = await readPrompts(join(EVAL, "prompts.jsonl"));
    for (const tag of TAGS) expect(prompts.filter((p) => p.tag === tag).length).toBe(60);
  });

  it("averages tags, not pictures", () => {
    const results = [
      { tag: "colors" as const, correct: true },
      { tag: "colors" as const, correct: true },
      { tag: "colors" as const, correct: true },
      { tag: "position" as const, correct: false },
    ];
    expect(summarize(results)).toEqual({ tags: { colors: 1, position: 0 }, overall: 0.5, pictures: 4 });
  });
});
