import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { escapeHtml, renderPage, renderTable } from "../../compiler/report/markup.js";
import { parseManifest } from "../../ir/format/manifest.js";
import { cli } from "../support/cli.js";
import { elements, expectSelfContained } from "../support/html.js";

const MODEL = join(import.meta.dirname, "..", "models", "shapes-ternary", "transformer");
const folder = mkdtempSync(join(tmpdir(), "tritc-report-"));
afterAll(() => rmSync(folder, { recursive: true }));
const bundle = join(folder, "bundle");

describe("a bundle of several resolutions", () => {
  beforeAll(async () => {
    const sizes = "64x64,128x128,96x64,64x64";
    const { code, stderr, stdout } = await cli([
      ...["compile", MODEL, "--target", "cpu", "-o", bundle, "--resolution", sizes],
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^device memory {2}\d[\d.]* MB of 4\.295 GB at most/m);
    expect(stdout).toMatch(/^96x64 +streamed/m);
  }, 60_000);

  it("lists each once, with its memory and work", () => {
    const { resolutions, memory } = parseManifest(readFileSync(join(bundle, "manifest.json"), "utf8"));
    expect(resolutions).toEqual([
      { width: 64, height: 64 },
      { width: 128, height: 128 },
      { width: 96, height: 64 },
    ]);
    expect(memory.plans.map(({ width, height }) => ({ width, height }))).toEqual(resolutions);
    expect(memory).toMatchObject({ promptWeights: "keep", limitBytes: 2 ** 32 });
    for (const { keep, stream, step } of memory.plans) {
      expect(stream.step).toBeLessThan(keep.step);
      expect(step.int8).toBeGreaterThan(1e9);
    }
    expect(readFileSync(join(bundle, "index.d.ts"), "utf8")).toContain("Planned for 64x64, 128x128, 96x64.");
  });

  it("is drawn from its own files", async () => {
    const out = join(folder, "bundle.html");
    const { code, stdout } = await cli(["report", bundle, "-o", out]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/bundle\.html: \d/)]);
    const html = readFileSync(out, "utf8");
    expectSelfContained(html);
    const counts = elements(html);
    expect(counts.get("svg")).toBe(3);
    expect(counts.get("table")).toBe(4);
    for (const text of ["double.0.img.qkv", "single.3.modulation", "ternary-gemm", "9,222,720 parameters"])
      expect(html).toContain(text);
    const { memory } = parseManifest(readFileSync(join(bundle, "manifest.json"), "utf8"));
    const peak = Math.max(...Object.values(memory.plans[1]?.keep ?? {}));
    expect(html).toContain(`>${peak.toString().replace(/\B(?=(\d{3})+$)/g, ",")}<`);
    await cli(["report", bundle, "-o", out]);
    expect(readFileSync(out, "utf8")).toBe(html);
  });

  it("has a target of its own", async () => {
    const out = join(folder, "other.html");
    const { code, stderr } = await cli(["report", bundle, "-o", out, "--target", "a10"]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/a bundle has a target already/)]);
  });
});

describe("a model", () => {
  it("is drawn for several targets without being compiled", async () => {
    const out = join(folder, "model.html");
    const { code } = await cli(["report", MODEL, "-o", out, "--target", "a10,cpu", "--memory-limit", "8GB"]);
    expect(code).toBe(0);
    const html = readFileSync(out, "utf8");
    expectSelfContained(html);
    elements(html);
    expect(html).toContain("a10, 1024x1024, streamed");
    expect(html).toContain("cpu, 1024x1024, kept");
  });

  it("that is a whole pipeline is drawn with its networks, as its bundle is", async () => {
    const model = join(import.meta.dirname, "../models/diffusers/flux1");
    const as = ["--ternarize", "none", "--activations", "f32", "--resolution", "64x48,96x64"];
    const [compiled, ...pages] = ["bundle", "bundle.html", "model.html"].map((name) =>
      join(folder, `whole-${name}`),
    ) as [string, string, string];
    expect((await cli(["compile", model, "--target", "cpu", ...as, "-o", compiled])).code).toBe(0);
    expect((await cli(["report", compiled, "-o", pages[0]])).code).toBe(0);
    const several = ["--target", "cpu,a10", "--memory-limit", "8GB"];
    expect((await cli(["report", model, ...several, ...as, "-o", pages[1]])).code).toBe(0);
    const [own, planned] = pages.map((page) => readFileSync(page, "utf8"));
    /** The cells of the table behind a heading; not what the limit of the memory says. */
    const cells = (html = "", heading: string) => {
      const [table = ""] = html.slice(html.indexOf(heading)).match(/<table[\s\S]*?<\/table>/) ?? [];
      return [...table.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, text]) => text);
    };
    const names = ["transformer", "text_encoder", "text_encoder_2", "vae_decoder", "vae_encoder"];
    const found = cells(planned, "Whole pipeline on cpu");
    expect(found).toEqual(cells(own, "Whole pipeline, in bytes"));
    for (const name of names) expect(found.filter((text) => text === name)).toHaveLength(2);
    expect(cells(planned, "Whole pipeline on a10")).toHaveLength(found.length);
  });

  it("needs a target", async () => {
    const { code, stderr } = await cli(["report", MODEL, "-o", join(folder, "none.html")]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/TRITC_E_TARGET/)]);
  });

  it("is planned by inspect, on any card", async () => {
    const inspect = async (...more: string[]) => {
      const { code, stdout } = await cli(["inspect", MODEL, "--target", "a10", ...more]);
      expect(code).toBe(0);
      return stdout;
    };
    expect(await inspect()).toMatch(/1024x1024 +kept[\s\S]*Fits into 25\.23 GB: all weights stay/);
    const sizes = ["--resolution", "64x64,512x512"];
    const small = await inspect(...sizes, "--memory-limit", "550MB");
    expect(small).toMatch(/Fits into 13\.13 MB|Does not fit into 13\.13 MB\. Of these sizes 64x64 would/);
    const json: unknown = JSON.parse(await inspect(...sizes, "--json"));
    expect(json).toMatchObject({
      plan: { target: "a10", promptWeights: "keep", plans: [{ width: 64 }, {}] },
    });
  });

  it("that does not fit is refused, and what would is named", async () => {
    const out = join(folder, "small");
    const arguments_ = ["compile", MODEL, "--target", "a10", "--emit", "source", "-o", out];
    const sizes = ["--resolution", "64x64,512x512", "--memory-limit", "550MB"];
    const { code, stderr } = await cli([...arguments_, ...sizes]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/TRITC_E_DEVICE_MEMORY/)]);
    expect(stderr).toMatch(/at 512x512[\s\S]*compile for 64x64 alone; or compile for --resolution \d+x\d+/);
  });
});

describe("markup", () => {
  const hostile = `<script>"'&\u0007`;

  it("escapes what names contain", () => {
    expect(escapeHtml(hostile)).toBe("&lt;script&gt;&quot;&#39;&amp; ");
    const page = renderPage(hostile, hostile, [
      { heading: hostile, note: hostile, body: renderTable([hostile, "#n"], [[hostile, 1]]) },
    ]);
    expectSelfContained(page);
    expect(elements(page).get("td")).toBe(2);
  });
});
