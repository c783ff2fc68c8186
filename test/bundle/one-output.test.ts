import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import { buildFlux } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY } from "../support/flux-style.js";
import { snapshot } from "../support/tree.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-output-"));
afterAll(() => rmSync(folder, { recursive: true }));
const input = join(folder, "model.onnx");
let place: string;
beforeEach(() => {
  place = mkdtempSync(join(folder, "case-"));
});

function compile(out: string, ternarize: "exact" | "none" = "exact") {
  const activations = ternarize === "none" ? "f32" : "int8";
  const resolutions = [{ width: 64, height: 64 }];
  return compileModel({ input, out, target: "cpu", ternarize, activations, resolutions });
}

/** What became of each: `done`, or the code of its error. */
async function outcomes(work: readonly Promise<unknown>[]): Promise<unknown[]> {
  const all = await Promise.allSettled(work);
  return all.map((r) => (r.status === "fulfilled" ? "done" : (r.reason as { code?: unknown }).code));
}

const alone: Record<"exact" | "none", unknown> = { exact: undefined, none: undefined };
beforeAll(async () => {
  writeFileSync(input, buildFlux(Object.values(STYLES).find((s) => s.tokens !== null) as FluxStyle, TINY));
  for (const method of ["exact", "none"] as const) {
    const out = join(folder, `alone-${method}`);
    await compile(out, method);
    alone[method] = snapshot(out);
  }
});

it("of several compiles to one output one writes it, however they spell its path, over a dead lock too", async () => {
  mkdirSync(join(place, "real"));
  symlinkSync(join(place, "real"), join(place, "link"));
  mkdirSync(join(place, "real", ".out.partial"));
  writeFileSync(join(place, "real", ".out.partial", "lock"), "4194303");
  const found = await outcomes([
    compile(join(place, "real", "out")),
    compile(join(place, "link", "out"), "none"),
    compile(`${place}/link/../real/./out`),
    exportOnnx({ input, out: join(place, "link", "out") }),
  ]);
  const winner = found.indexOf("done");
  expect(found).toEqual(found.map((_, i) => (i === winner ? "done" : "TRITC_E_OUT_BUSY")));
  const out = join(place, "real", "out");
  expect(readdirSync(join(place, "real"))).toEqual(["out"]);
  if (winner < 3) expect(snapshot(out)).toEqual(winner === 1 ? alone.none : alone.exact);
  else expect(readdirSync(out)).toContain("model.onnx");
});

it("a link to a bundle stays a link, and its bundle is replaced", async () => {
  const [out, link] = [join(place, "out"), join(place, "link")];
  await compile(out);
  symlinkSync(out, link);
  await compile(link, "none");
  expect(snapshot(out)).toEqual(alone.none);
  expect(readdirSync(place).sort()).toEqual(["link", "out"]);
  const found = await outcomes([compile(out), compile(link, "none")]);
  expect([...found].sort()).toEqual(["TRITC_E_OUT_BUSY", "done"]);
  expect(snapshot(out)).toEqual(found[0] === "done" ? alone.exact : alone.none);
});

it("nothing is written into a bundle, nor into what is being written", async () => {
  const out = join(place, "out");
  const first = compile(out);
  while (!existsSync(join(place, ".out.partial", "lock"))) await new Promise(setImmediate);
  expect(await outcomes([compile(join(out, "inner")), first])).toEqual(["TRITC_E_OUT_BUSY", "done"]);
  const inside = [compile(join(out, "inner")), exportOnnx({ input, out: join(out, "kernels", "x.onnx") })];
  expect(await outcomes(inside)).toEqual(["TRITC_E_OUT", "TRITC_E_OUT"]);
  expect(snapshot(out)).toEqual(alone.exact);
  expect(readdirSync(place)).toEqual(["out"]);
});
