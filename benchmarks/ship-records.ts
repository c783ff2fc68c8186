/**
 * `node dist/benchmarks/ship-records.js <records.jsonl...>`: takes what `tritc tune --export` found into the package
 * (`targets/<device>/tuned.jsonl`): of each kernel whose config changed, what was chosen. `compile` reads it by default.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseRecords } from "../compiler/tuning/records.js";
import { printShipped, SHIPPED_FILES, shippedRecords } from "../compiler/tuning/shipped.js";
import type { Language } from "../ir/program/program.js";
import { deviceKinds } from "../targets/device-kind.js";
import { TARGETS } from "../targets/index.js";

const given = (
  await Promise.all(
    process.argv.slice(2).map(async (file) => parseRecords(await readFile(file, "utf8"), file)),
  )
).flat();
for (const [language, file] of Object.entries(SHIPPED_FILES) as [Language, string][]) {
  const kinds = new Set(
    TARGETS.filter((target) => target.language === language)
      .flatMap(deviceKinds)
      .map(({ name }) => name),
  );
  const own = given.filter(({ deviceKind }) => kinds.has(deviceKind));
  if (own.length === 0) continue;
  const text = printShipped([...shippedRecords({ language }), ...own]);
  await writeFile(file, text);
  console.log(`${file}: ${text.split("\n").length - 1} records`);
}
