import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolutions } from "../../compiler/cli/options.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importAndRecognize } from "../../compiler/pipeline.js";
import { imageTokens, largestSizes, resolutionsOf, sizesOf } from "../../compiler/resolutions.js";
import { TritcError } from "../../ir/errors.js";

const models = join(import.meta.dirname, "..", "models");
const reader = fileReader();
const dynamic = importAndRecognize(join(models, "shapes-ternary", "transformer"), reader);
const fixed = importAndRecognize(join(models, "import", "ts17-schnell-static"), reader);
reader.close();

const size = (width: number, height: number) => ({ width, height });

describe("resolutions", () => {
  it("of a dynamic export are those asked for, each once, else 1024x1024", () => {
    const asked = resolutions("512x512, 1344x768,512x512");
    expect(resolutionsOf(dynamic, asked)).toEqual([size(512, 512), size(1344, 768)]);
    expect(resolutionsOf(dynamic)).toEqual([size(1024, 1024)]);
    expect(sizesOf(dynamic, size(1344, 768))).toEqual({ img_tokens: 84 * 48, txt_tokens: 512, steps: 50 });
    expect(largestSizes(dynamic, asked).img_tokens).toBe(84 * 48);
    expect(largestSizes(dynamic, [])).toEqual({});
    expect(() => resolutions("512x512,,64x64")).toThrow(/1024x1024/);
  });

  it("of a static export are its own and no other", () => {
    const [own = size(0, 0)] = resolutionsOf(fixed);
    const tokens = sizesOf(fixed, own).img_tokens;
    expect(imageTokens(own)).toBe(tokens);
    expect(resolutionsOf(fixed, [own])).toEqual([own]);
    const other = size(own.width + 16, own.height);
    expect(() => resolutionsOf(fixed, [own, other])).toThrow(TritcError);
    expect(() => resolutionsOf(fixed, [own, other])).toThrow(
      new RegExp(`--resolution ${other.width}x${other.height}[\\s\\S]*${tokens} image tokens`),
    );
  });

  it("of a graph that draws nothing are none", () => {
    const { model: _, ...generic } = dynamic;
    expect(resolutionsOf(generic, [size(64, 64)])).toEqual([]);
  });
});
