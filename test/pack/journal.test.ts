import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Journal, type PackedRows } from "../../compiler/pack/journal.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-journal-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "journal");

const record = (at: number): PackedRows => ({ tensor: "w", at, rows: 2, hash: `h${at}`, scales: "AAAA" });

async function written(identity: string, ...records: readonly PackedRows[]): Promise<void> {
  const { journal } = await Journal.open(path, identity);
  await journal.append(records);
  await journal.close();
}

async function read(identity: string) {
  const { journal, records, isOther } = await Journal.open(path, identity);
  await journal.close();
  expect(journal.hasRecords).toBe(records.length > 0);
  return { at: records.map((r) => r.at), isOther };
}

it("records come back, from several runs", async () => {
  rmSync(path, { force: true });
  expect(await read("a")).toEqual({ at: [], isOther: false });
  await written("a", record(0), record(2));
  await written("a", record(4));
  expect(await read("a")).toEqual({ at: [0, 2, 4], isOther: false });
});

it("a torn tail of whatever length is ignored, and what is appended behind it counts", async () => {
  rmSync(path, { force: true });
  await written("a", record(0), record(2));
  const whole = readFileSync(path);
  const lines = whole.toString().split("\n");
  const keep = Buffer.byteLength(`${lines[0]}\n${lines[1]}\n`);
  for (let end = keep; end < whole.length; end++) {
    writeFileSync(path, whole);
    truncateSync(path, end);
    expect(await read("a"), `cut at ${end}`).toEqual({ at: [0], isOther: false });
  }
  await written("a", record(6));
  expect(await read("a")).toEqual({ at: [0, 6], isOther: false });
  appendFileSync(path, "0123456789abcdef {}\n");
  expect((await read("a")).at).toEqual([0, 6]);
});

it("a damaged line and all behind it do not count", async () => {
  rmSync(path, { force: true });
  await written("a", record(0), record(2), record(4));
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace('"at":2', '"at":3'));
  expect((await read("a")).at).toEqual([0]);
});

it("the journal of another work is dropped, and said to be", async () => {
  rmSync(path, { force: true });
  await written("a", record(0));
  expect(await read("b")).toEqual({ at: [], isOther: true });
  expect(await read("a")).toEqual({ at: [], isOther: true });
});
