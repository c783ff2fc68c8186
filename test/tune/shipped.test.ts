import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { isTunedFor } from "../../compiler/tuning/bundle-records.js";
import { deviceKey } from "../../compiler/tuning/device-key.js";
import { type Finding, parseRecords, printRecords, problemKey } from "../../compiler/tuning/records.js";
import { measuredWith, printShipped, shippedRecords } from "../../compiler/tuning/shipped.js";
import { FAMILIES, isFamily } from "../../ir/families/index.js";
import { faultOf } from "../../ir/families/launch/form.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { cpu, TARGETS } from "../../targets/index.js";

const root = mkdtempSync(join(tmpdir(), "tritc-shipped-"));
afterAll(() => rmSync(root, { recursive: true }));
const place = pathToFileURL(`${root}/`);

const params = { n: 96, k: 64, bias: true, activation: "none", gated: false } as const;
const [kind = expect.fail()] = deviceKinds(cpu);
const finding: Finding = {
  ...{ kind: "chosen", device: "that", deviceKind: kind.name, rows: [100], code: "c0" },
  kernel: problemKey({ family: "dense-gemm", params: FAMILIES["dense-gemm"].record(params) }),
  config: { variant: "float", tileN: 32, tileM: 64, rows: 2, unroll: 8, columnsOutside: true },
  ...{ before: 0.5, after: 0.25, spread: 0.01, tried: 3, candidates: 9 },
};
const problem = (rows: number) => ({ family: "dense-gemm", params, rows: [rows], device: kind });

describe("records of the package", () => {
  it("are taken where records that are given say nothing, for like numbers of rows", () => {
    expect(shippedRecords(cpu, place)).toEqual([]);
    expect(measuredWith(cpu, [], place)).toBeUndefined();
    mkdirSync(join(root, "targets", "cpu"), { recursive: true });
    writeFileSync(join(root, "targets", "cpu", "tuned.jsonl"), printRecords([finding]));
    expect(shippedRecords(cpu, place)).toEqual([finding]);
    const shipped = measuredWith(cpu, [], place);
    expect(shipped?.(problem(100))).toEqual(finding.config);
    expect(shipped?.(problem(400))).toEqual(finding.config);
    expect(shipped?.(problem(401))).toBeUndefined();
    const own: Finding = { ...finding, config: { ...finding.config, rows: 4 } };
    const both = measuredWith(cpu, [{ ...own, rows: [7] }], place);
    // What somebody measured counts first, for whatever rows.
    expect(both?.(problem(100))).toEqual(own.config);
    const another = problemKey({
      family: "dense-gemm",
      params: FAMILIES["dense-gemm"].record({ ...params, n: 7 }),
    });
    expect(measuredWith(cpu, [{ ...own, kernel: another }], place)?.(problem(100))).toEqual(finding.config);
  });

  it("are of kernels whose config changed, the last of each", () => {
    const [slower, later] = [
      { ...finding, after: 0.5, rows: [3] },
      { ...finding, after: 0.2 },
    ];
    expect(parseRecords(printShipped([finding, slower, later]), "f")).toEqual([later]);
    // Measured again, what was there before is as good.
    expect(printShipped([finding, { ...finding, after: 0.5 }])).toBe("");
  });

  it("of this version are of configs that the families have", () => {
    for (const target of TARGETS)
      for (const entry of shippedRecords(target)) {
        const [family = "", text = ""] = [
          entry.kernel.split(" ", 1)[0],
          entry.kernel.slice(entry.kernel.indexOf(" ")),
        ];
        if (!isFamily(family)) throw new Error(`no family ${family}`);
        const { forms } = FAMILIES[family];
        const record: unknown = JSON.parse(text);
        const language = target.language;
        const read = FAMILIES[family].read({ family, params: record } as never);
        expect(faultOf(forms[language] as never, read as never, entry.config), entry.kernel).toBeUndefined();
      }
  });
});

describe("isTunedFor", () => {
  const bundleWith = (records: readonly Finding[] | undefined) => ({
    folder: "b",
    has: () => records !== undefined,
    readFile: async () => new TextEncoder().encode(printRecords(records ?? [])),
    program: { target: "cpu" },
  });

  it("asks whether records of that very device say what was chosen", async () => {
    const here = { ...finding, device: deviceKey(cpu, "two threads") };
    expect(await isTunedFor(bundleWith(undefined), "two threads")).toBe(false);
    expect(await isTunedFor(bundleWith([here]), "two threads")).toBe(true);
    expect(await isTunedFor(bundleWith([here]), "one thread")).toBe(false);
    expect(await isTunedFor(bundleWith([finding]), "two threads")).toBe(false);
  });
});
