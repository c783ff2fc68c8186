import { describe, expect, it } from "vitest";
import type { Comparison } from "../../compiler/compare/comparison.js";
import { renderComparison } from "../../compiler/compare/report.js";
import { encodePng } from "../../runtime/node/png.js";
import { elements, expectSelfContained } from "../support/html.js";

const HOSTILE = `<script>"'&\u0007`;
const png = encodePng({ rgb: new Uint8Array(3), width: 1, height: 1 });
const comparison: Comparison = {
  reference: { path: HOSTILE, target: null },
  models: [
    {
      ...{ path: HOSTILE, target: "cpu" },
      drawn: {
        velocityErrors: [0.5, 0.25],
        latentDistances: [0.125, 0.75],
        pictures: [{ psnr: Number.POSITIVE_INFINITY, ssim: 1 }],
      },
      layers: {
        errors: [
          { role: "double.0.img.q", error: 0.25 },
          { role: "double.1.img.q", error: 0.75 },
        ],
        left: [HOSTILE],
      },
    },
  ],
  drawn: {
    ...{ width: 1, height: 1, textTokens: 1, steps: 2, guidance: null },
    samples: [{ prompt: HOSTILE, seed: 3 }],
    files: { reference: [png], models: [[png]] },
  },
};

describe("the page of a comparison", () => {
  const body = { heading: "score", note: "of others", body: "<p>more</p>" };
  const html = renderComparison(comparison, [body]);

  it("is whole whatever names contain", () => {
    expectSelfContained(html, 2);
    expect(elements(html).get("img")).toBe(2);
    expect(html.match(/&lt;script&gt;&quot;&#39;&amp; /g)?.length).toBeGreaterThan(8);
  });

  it("says the means, the worst layer first, and what others add", () => {
    const cells = Array.from(html.matchAll(/<td class="(?:text|number)">(.*?)<\/td>/g), ([, text]) => text);
    expect(cells.slice(1, 6)).toEqual(["0.3750", "0.7500", "99.00", "1.0000", "0.5000"]);
    expect(cells.slice(6)).toEqual([
      ...["double.img.q", "0.50000"],
      ...["double.1.img.q", "0.75000", "double.0.img.q", "0.25000"],
    ]);
    expect(html.indexOf("of others")).toBeLessThan(html.indexOf("Pictures"));
    expect(html).toContain(">equal, SSIM 1.000<");
  });

  it("draws each step of a curve at its place", () => {
    const lines = Array.from(
      html.matchAll(/<polyline points="([^"]*)" class="codes"/g),
      ([, points]) => points,
    );
    expect(lines).toEqual(["80,10 940,130", "80,210 940,10"]);
  });

  it("leaves out what was not measured", () => {
    const bare: Comparison = {
      ...{ reference: comparison.reference, drawn: null },
      models: [{ path: "b", target: "cpu", drawn: null, layers: null }],
    };
    const page = renderComparison(bare);
    expectSelfContained(page);
    expect([elements(page).get("table"), elements(page).get("svg")]).toEqual([1, undefined]);
  });
});
