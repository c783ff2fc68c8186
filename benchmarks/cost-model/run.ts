/**
 * Holds the cost model against the records of tuned bundles: for each kernel what a compilation without records takes, over the
 * best that was measured, and how well estimates and measurements agree in their order. Exits with 1 where fewer kernels than wanted
 * are within 1.5 times of their best.
 *
 *   npx tritc tune <bundle> --budget 5m
 *   npm run cost-model -- <bundle or records.jsonl> [...] [--target cpu] [--want 0.8] [--json]
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readRecords, TUNING_FILE } from "../../compiler/tuning/records.js";
import { TARGETS, targetByName } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { type Comparison, compareModel, shareWithin } from "./compare.js";

/** What a choice may take over the best. */
const NEAR = 1.5;

function print(comparisons: readonly Comparison[]): void {
  const ratio = (value: number | null) => (value === null ? "not measured" : value.toFixed(2));
  let device = "";
  for (const { device: of, kernel, rows, measured, chosen, first, best, ...other } of comparisons) {
    if (of !== device) console.log(of);
    device = of;
    console.log(`  ${kernel.slice(0, 120)}, rows ${rows.join(", ")}: ${measured} measured`);
    console.log(`    chosen   ${ratio(chosen.ratio)}  ${keyOf(chosen.config)}`);
    console.log(`    first    ${ratio(first.ratio)}  ${keyOf(first.config)}`);
    console.log(`    best           ${keyOf(best.config)}`);
    console.log(
      `    order    ${other.correlation?.toFixed(2) ?? "-"}, estimate over measured ${other.estimate?.toFixed(2) ?? "-"}`,
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      target: { type: "string" },
      want: { type: "string", default: "0.8" },
      json: { type: "boolean", default: false },
    },
  });
  const files = positionals.map((path) => (statSync(path).isDirectory() ? join(path, TUNING_FILE) : path));
  const records = (await Promise.all(files.map(readRecords))).flat();
  const targets = values.target === undefined ? TARGETS : [targetByName(values.target)];
  const comparisons = compareModel(records, targets);
  const [near, firstNear] = [
    shareWithin(comparisons, "chosen", NEAR),
    shareWithin(comparisons, "first", NEAR),
  ];
  if (values.json) console.log(JSON.stringify({ comparisons, near, firstNear }, undefined, 2));
  else {
    print(comparisons);
    const percent = (share: number | null) => (share === null ? "none" : `${Math.round(share * 100)}%`);
    console.log(
      `${percent(near)} of the choices are within ${NEAR} times of the best, of the families' first ${percent(firstNear)}`,
    );
  }
  if (near === null || near < Number(values.want)) process.exitCode = 1;
}
