import { expect, it } from "vitest";
import { scoreSection } from "../../benchmarks/distill-report.js";

it("the report of distilling has a row of scores for each form, a column for each category", () => {
  const tags = { single_object: 0.875, counting: 0.5 };
  const { body, note } = scoreSection([
    { name: "full", score: { tags, overall: 0.6875, pictures: 16 }, psnr: 99, ssim: 1 },
    { name: "kernels", score: { tags: {}, overall: 0, pictures: 16 }, psnr: 27.94, ssim: 0.91236 },
  ]);
  const cells = Array.from(body.matchAll(/<td class="(?:text|number)">(.*?)<\/td>/g), ([, text]) => text);
  expect(cells).toEqual([
    ...["full", "0.875", "-", "0.500", "-", "-", "-", "0.688", "99.00", "1.0000"],
    ...["kernels", "-", "-", "-", "-", "-", "-", "0.000", "27.94", "0.9124"],
  ]);
  expect(note).toContain("share of 16 pictures");
});
