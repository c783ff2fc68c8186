/** Whole weight files from threads and tiles, against rows packed one by one in TypeScript. */
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import type { WeightTensor } from "../../compiler/lower/weights.js";
import { planPacking } from "../../compiler/pack/jobs.js";
import { Journal } from "../../compiler/pack/journal.js";
import { segmentsOf, sourceBytes } from "../../compiler/pack/segments.js";
import { type KnownScales, packRows } from "../../compiler/pack/tensor-rows.js";
import { layoutWeights } from "../../compiler/pack/weights-file.js";
import { type PackOptions, writeWeights } from "../../compiler/pack/write-weights.js";
import type { RoundedFormat } from "../../ir/constant/blocks/encode.js";
import type { Constant, ConstantSource, TernaryMethod } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { isNarrowFloat, type NarrowFloat } from "../../ir/constant/float8.js";
import { byteLength, type DType } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import { type GroupSize, scalesShape } from "../../ir/ternary/groups.js";
import { codeRowBytes, type TernaryStorage } from "../../ir/ternary/storage.js";
import { uniform } from "../support/random.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-write-weights-"));
afterAll(() => rmSync(folder, { recursive: true }));

const derived = (dtype: DType, shape: readonly number[], source: ConstantSource): Constant => ({
  dtype,
  shape,
  source,
});
const widen = (of: Constant) => derived("f32", of.shape, { kind: "cast", of });
const turn = (of: Constant) =>
  derived(of.dtype, [of.shape[1] ?? 0, of.shape[0] ?? 0], { kind: "transpose", of });
const part = (of: Constant, start: number, count: number) =>
  derived(of.dtype, [count, ...of.shape.slice(1)], { kind: "rows", of, start });
const stacked = (...of: readonly Constant[]): Constant => {
  const rows = of.reduce((sum, c) => sum + (c.shape[0] ?? 0), 0);
  return derived(of[0]?.dtype ?? "f32", [rows, ...(of[0]?.shape.slice(1) ?? [])], { kind: "concat", of });
};
const fitting = (method: TernaryMethod, group?: GroupSize) => ({
  method,
  ...(group === undefined ? {} : { group }),
});
const codes = (of: Constant, method: TernaryMethod = "exact", group?: GroupSize) =>
  derived("i8", of.shape, { kind: "ternary-codes", of, ...fitting(method, group) });
const scales = (of: Constant, method: TernaryMethod = "exact", group?: GroupSize) =>
  derived("f32", scalesShape(of.shape, group ?? null), {
    kind: "ternary-scales",
    of,
    ...fitting(method, group),
  });

const blocks = (of: Constant, format: RoundedFormat) =>
  derived("u8", [of.shape[0] ?? 0, ((of.shape[1] ?? 0) / 32) * (format === "Q8_0" ? 34 : 18)], {
    kind: "to-blocks",
    of,
    format,
  });
const bfloats = (of: Constant) => derived("bf16", of.shape, { kind: "cast", of });

type StoredFloat = "bf16" | "f16" | "f32" | NarrowFloat;

/** Bytes of values; of 8-bit floats, which are only read, some bytes of finite ones below 2. */
function encoded(type: StoredFloat, values: Float32Array): Uint8Array {
  if (!isNarrowFloat(type)) return encodeBytes(type, values);
  return Uint8Array.from(values, (v) => Math.round(v * 1000) & 0xbb);
}

/** A file of random matrices of a type, one behind the other. */
class ModelFile {
  readonly path: string;
  readonly #type: StoredFloat;
  readonly #next = uniform(11);
  #bytes = new Uint8Array(0);

  constructor(name: string, type: StoredFloat) {
    this.path = join(folder, name);
    this.#type = type;
  }

  matrix(rows: number, columns: number, change: (values: Float32Array) => void = () => undefined): Constant {
    const values = Float32Array.from({ length: rows * columns }, () => this.#next() + this.#next() - 1);
    change(values);
    const bytes = encoded(this.#type, values);
    const offset = this.#bytes.length + 6;
    const grown = new Uint8Array(offset + bytes.length);
    grown.set(this.#bytes);
    grown.set(bytes, offset);
    this.#bytes = grown;
    writeFileSync(this.path, grown);
    const length = bytes.length;
    return derived(this.#type, [rows, columns], { kind: "file", file: this.path, offset, length });
  }
}

function trits(name: string, constant: Constant, encoding: TernaryStorage = "trits"): WeightTensor {
  const shape = [constant.shape[0] ?? 0, codeRowBytes(encoding, constant.shape[1] ?? 0)];
  return { name, id: name, constant, weight: true, encoding, dtype: "u8", shape };
}

function inBlocks(name: string, encoding: RoundedFormat, constant: Constant): WeightTensor {
  return { name, id: name, constant, weight: true, encoding, dtype: "u8", shape: constant.shape };
}

function plain(
  name: string,
  constant: Constant,
  dtype: "f32" | "f16" | "bf16",
  weight = false,
): WeightTensor {
  return { name, id: name, constant, weight, encoding: "plain", dtype, shape: constant.shape };
}

/** What `packRows` makes of all tensors, in their places. */
function reference(tensors: readonly WeightTensor[]): Buffer {
  const layout = layoutWeights(tensors);
  const out = Buffer.alloc(layout.fileBytes);
  out.set(layout.header);
  const reader = fileReader();
  const known: KnownScales = new WeakMap();
  for (const { tensor, offset } of layout.tensors) {
    out.set(Buffer.concat([...packRows(tensor, reader, known)]), offset);
  }
  reader.close();
  return out;
}

async function written(tensors: readonly WeightTensor[], options: Partial<PackOptions> = {}) {
  const path = join(folder, "weights.safetensors");
  const reader = fileReader();
  try {
    const report = await writeWeights(path, layoutWeights(tensors), { reader, taken: TAKEN, ...options });
    return { bytes: readFileSync(path), report };
  } finally {
    reader.close();
  }
}

/** What the process is said to take besides. */
const TAKEN = 1e8;

/** The least memory that a model may have, as the refusal of a byte says. */
async function leastMemory(tensors: readonly WeightTensor[]): Promise<number> {
  const error: unknown = await written(tensors, { memory: 1 }).catch((e: unknown) => e);
  const [, megabytes] = /expected: (\d+)MB or more/.exec(String(error)) ?? [];
  return 1e6 * Number(megabytes);
}

describe.each(["bf16", "f16", "f32", "f8e4m3", "f8e5m2"] as const)("a file of %s", (type) => {
  const model = new ModelFile(`${type}.bin`, type);
  const wide = (of: Constant) => (type === "f32" ? of : widen(of));
  const direct = wide(model.matrix(300, 170));
  const turned = turn(wide(model.matrix(411, 333)));
  const both = [wide(model.matrix(40, 96)), turn(wide(model.matrix(96, 70)))] as const;
  // Another constant of the same bytes: a weight has scales of rows or of groups.
  const again = { ...direct };
  const grouped = wide(model.matrix(50, 170, (values) => values.fill(0.25, 0, 40)));
  const half = part(turn(wide(model.matrix(50, 64))), 13, 40);
  const lines = wide(model.matrix(37, 96));
  const columns = turn(wide(model.matrix(96, 41)));
  const cut = turn(part(wide(model.matrix(64, 45)), 10, 33));
  const tensors = [
    trits("direct", codes(direct)),
    plain("direct.scales", scales(direct), "f32"),
    trits("turned", codes(turned)),
    plain("turned.scales", scales(turned), "f32"),
    trits("both", stacked(codes(both[0]), codes(both[1], "absmean"))),
    plain("both.scales", stacked(scales(both[0]), scales(both[1], "absmean")), "f32"),
    trits("half", codes(half)),
    trits("groups", stacked(codes(again, "absmean", 64), codes(grouped, "exact", 64))),
    plain("groups.scales", stacked(scales(again, "absmean", 64), scales(grouped, "exact", 64)), "f32", true),
    plain("groups.f16.scales", part(scales(grouped, "exact", 64), 30, 20), "f16", true),
    trits("cut", part(codes(cut), 5, 30)),
    trits("direct in two bits", codes(direct), "2bit"),
    trits("turned in two bits", codes(turned), "2bit"),
    plain("words", stacked(both[1], both[0]), isNarrowFloat(type) ? "f16" : type, true),
    inBlocks("bytes", "Q8_0", blocks(lines, "Q8_0")),
    inBlocks("nibbles", "Q4_0", part(stacked(blocks(lines, "Q4_0"), blocks(columns, "Q4_0")), 11, 50)),
    inBlocks("bytes of parts", "Q8_0", blocks(part(stacked(columns, part(lines, 3, 30)), 5, 40), "Q8_0")),
    plain("bf16", widen(bfloats(stacked(part(lines, 2, 9), columns))), "bf16", true),
    plain("bias", part(direct, 0, 1), "f32"),
  ];
  const wanted = reference(tensors);

  it.each([0, 1, 2, 3])("is packed alike by %i threads", async (threads) => {
    const { bytes, report } = await written(tensors, { threads });
    expect(report.threads).toBe(threads);
    expect(bytes.equals(wanted)).toBe(true);
  });

  it("is packed alike in the least memory, and refused in less", async () => {
    const memory = await leastMemory(tensors);
    const { bytes, report } = await written(tensors, { threads: 1, memory });
    expect(bytes.equals(wanted)).toBe(true);
    expect(report.bufferBytes).toBeLessThanOrEqual(memory - TAKEN);
    await expect(written(tensors, { memory: memory - 1e6 })).rejects.toMatchObject({
      code: "TRITC_E_MEMORY",
      exitCode: 2,
    });
  });

  it("is packed alike by a process that takes more than the default already", async () => {
    const { bytes } = await written(tensors, { taken: 3e9 });
    expect(bytes.equals(wanted)).toBe(true);
    await expect(written(tensors, { taken: 3e9, memory: 2e9 })).rejects.toMatchObject({
      code: "TRITC_E_MEMORY",
    });
  });

  it("is packed alike from where another run stopped", async () => {
    const path = join(folder, `${type}.journal`);
    const first = await Journal.open(path, type);
    await written(tensors, { threads: 0, journal: first.journal });
    await first.journal.close();
    const { journal, records } = await Journal.open(path, type);
    await journal.close();
    const kept = records.filter((_, i) => i % 3 > 0);
    const { bytes, report } = await written(tensors, { threads: 0, records: kept });
    expect(bytes.equals(wanted)).toBe(true);
    expect(report.bytesKept).toBeGreaterThan(0);
    expect(report.bytesRead).toBeGreaterThan(0);
  });

  it("is read once where there is room", async () => {
    const { report } = await written(tensors);
    const segments = tensors.flatMap((t) => segmentsOf(t) ?? []);
    const all = segments.reduce((sum, s) => sum + sourceBytes(s, s.count), 0);
    expect(report.bytesRead).toBe(all + byteLength(type, 170));
  });
});

describe("the plan", () => {
  // FLUX.1's largest matrices, stored either way, in a file that is not there.
  const big = (rows: number, columns: number, offset: number): Constant =>
    derived("bf16", [rows, columns], {
      kind: "file",
      file: "none",
      offset,
      length: 2 * rows * columns,
    });
  const tensors = [
    trits("a", codes(turn(big(15360, 3072, 0)))),
    trits("b", codes(big(18432, 3072, 2e8))),
    trits("c", stacked(codes(turn(big(3072, 12288, 4e8))), codes(big(9216, 3072, 6e8)))),
  ];
  const layout = layoutWeights(tensors);
  const isDone = (tensor: string, row: number) => tensor === "b" && row % 5000 < 700;

  it.each([365e6, 512e6, 600e6, 1e9, 2e9, 8e9])(
    "stays within %d bytes and takes every row once",
    (memory) => {
      const plan = planPacking(layout.tensors, { memory, taken: 300e6, processors: 4, isDone });
      expect(plan.threads).toBeGreaterThan(0);
      let buffers = 0;
      const rows = new Map(tensors.map((t) => [t.name, new Uint8Array(t.constant.shape[0] ?? 0)]));
      for (const { packed, at, job } of plan.jobs) {
        buffers = Math.max(buffers, job.places.end + 2 * job.rows * (job.places.outRowBytes + 4));
        const seen = rows.get(packed.tensor.name) ?? new Uint8Array();
        for (let row = at; row < at + job.rows; row++) seen[row] = (seen[row] ?? 0) + 1;
      }
      expect(buffers * plan.threads).toBeLessThan(memory - 300e6);
      for (const [name, seen] of rows) {
        expect(
          seen.every((count, row) => count === (isDone(name, row) ? 0 : 1)),
          name,
        ).toBe(true);
      }
    },
  );

  it("reads whole blocks of the file where memory allows", () => {
    const { jobs } = planPacking(layout.tensors, {
      memory: 2e9,
      taken: 3e8,
      processors: 2,
      isDone: () => false,
    });
    const blocks = jobs.filter(({ job }) => job.transposed);
    expect(blocks.every(({ job }) => job.runBytes === job.stride)).toBe(true);
    const offsets = jobs.map(({ job }) => job.offset);
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
  });
});

describe.each([0, 2])("with %i threads", (threads) => {
  it("a weight that is not finite is refused, naming tensor, row and column", async () => {
    const model = new ModelFile("nan.bin", "bf16");
    const bad = model.matrix(30, 50, (values) => {
      values[7 * 50 + 21] = Number.NaN;
    });
    const fused = trits("fused", stacked(codes(widen(bad)), codes(widen(model.matrix(3, 50)))));
    await expect(written([fused], { threads })).rejects.toThrow(/fused.*\n.*\n.*NaN in row 7, column 21/);
    const mixed = trits("mixed", stacked(codes(widen(model.matrix(4, 30))), codes(turn(widen(bad)))));
    await expect(written([mixed], { threads })).rejects.toMatchObject({
      code: "TRITC_E_WEIGHT_NOT_FINITE",
    });
    await expect(written([mixed], { threads })).rejects.toThrow(/mixed.*\n.*\n.*NaN in row 25, column 7/);
    const dense = plain("dense", turn(widen(bad)), "bf16", true);
    await expect(written([dense], { threads })).rejects.toThrow(/dense.*\n.*\n.*NaN in row 21, column 7/);
  });

  it("so is one that is to become blocks or bf16, where that is too little for it, too", async () => {
    const model = new ModelFile("infinite.bin", "f32");
    const bad = model.matrix(30, 64, (values) => {
      values[7 * 64 + 21] = -Infinity;
    });
    const both = blocks(stacked(model.matrix(3, 64), bad), "Q4_0");
    await expect(written([inBlocks("blocks", "Q4_0", both)], { threads })).rejects.toThrow(
      /blocks.*\n.*\n.*-Infinity in row 10, column 21/,
    );
    const large = model.matrix(30, 50, (values) => {
      values[7 * 50 + 21] = 3.4e38;
    });
    const dense = plain("dense", widen(bfloats(turn(large))), "bf16", true);
    await expect(written([dense], { threads })).rejects.toThrow(
      /dense.*\n.*\n.* Infinity in row 21, column 7/,
    );
  });

  it("a file that is too short, gone, or changed while it is read", async () => {
    const model = new ModelFile("short.bin", "bf16");
    const tensors = [trits("w", codes(widen(model.matrix(200, 300))))];
    const { size } = statSync(model.path);
    truncateSync(model.path, size - 1);
    const short: unknown = await written(tensors, { threads }).catch((e: unknown) => e);
    expect(short).toBeInstanceOf(TritcError);
    expect(short).toMatchObject({ code: "TRITC_E_FILE_READ" });
    expect(String(short)).toContain("short.bin");
    truncateSync(model.path, size);
    const touch = () => utimesSync(model.path, 1e9, 1e9);
    await expect(written(tensors, { threads, onProgress: touch })).rejects.toMatchObject({
      code: "TRITC_E_SOURCE_CHANGED",
    });
    rmSync(model.path);
    await expect(written(tensors, { threads })).rejects.toMatchObject({ code: "TRITC_E_SYSTEM" });
  });
});
