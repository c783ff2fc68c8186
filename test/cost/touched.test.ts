/** What launches touch, beside plain loops over addresses. */
import { describe, expect, it } from "vitest";
import { FAMILIES } from "../../ir/families/index.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { cpu } from "../../targets/index.js";
import { touchedBy } from "../../templates/choice/touched.js";
import type { Family, FamilyParams } from "../../templates/index.js";

interface Case<F extends Family> {
  readonly family: F;
  readonly params: FamilyParams[F];
  readonly rows: number;
  readonly scalars?: readonly number[];
}

/** Bytes of different addresses that plain loops touch. */
class Addresses {
  readonly #seen = new Set<string>();
  bytes = 0;
  touch(name: string, at: number, size = 4): void {
    const key = `${name} ${at}`;
    if (!this.#seen.has(key)) this.bytes += size;
    this.#seen.add(key);
  }
}

describe("bytes that a launch touches", () => {
  const launch = { ...{ workgroup: [1, 1, 1], tile: [1, 4, 1], sharedBytes: 0, persistent: false } } as never;
  const touched = <F extends Family>({ family, params, rows, scalars }: Case<F>, table?: string) => {
    const [device = expect.fail()] = deviceKinds(cpu);
    const launched = { rows, scalars, launch, device, speed: device.speed ?? expect.fail() };
    return touchedBy(FAMILIES[family], params, "wat", launched, table === undefined ? {} : { table });
  };
  const loops = (visit: (rows: Addresses, common: Addresses, written: Addresses) => void) => {
    const all = [new Addresses(), new Addresses(), new Addresses()] as const;
    visit(...all);
    const [{ bytes: rowBytes }, { bytes: commonBytes }, { bytes: writtenBytes }] = all;
    return { rowBytes, commonBytes, writtenBytes };
  };

  it("are those of rows, of vectors for all of them, and of results", () => {
    const [rows, c] = [7, 21];
    const expected = loops((x, vectors, out) => {
      for (let m = 0; m < rows; m++) {
        for (let i = 0; i < c; i++) {
          x.touch("x", m * c + i);
          for (const name of ["shift", "scale"]) vectors.touch(name, i);
        }
        // Codes are padded to 16.
        for (let i = 0; i < 32; i++) out.touch("q", m * 32 + i, 1);
        for (const name of ["rowScale", "rowSum"]) out.touch(name, m);
      }
    });
    const params = { c, epsilon: 1e-6 };
    expect(touched({ family: "adaln-quantize", params, rows })).toMatchObject({ ...expected, workgroups: 2 });
  });

  it("are halves of bf16, and heads with a table of angles", () => {
    const [rows, heads, headDim] = [5, 3, 8];
    const expected = loops((x, vectors, out) => {
      for (let m = 0; m < rows; m++) {
        for (let head = 0; head < heads; head++) {
          for (let i = 0; i < headDim; i++) {
            const at = (m * heads + head) * headDim + i;
            x.touch("x", at, 2);
            vectors.touch("weight", i);
            out.touch("out", at, 2);
            if (i % 2 === 0) for (const name of ["cos", "sin"]) x.touch(name, (m * headDim + i) / 2);
          }
        }
      }
    });
    const flags = { norm: true, epsilon: 1e-6, weight: true, rope: true, x: "bf16", out: "bf16" } as const;
    expect(touched({ family: "qk-norm-rope", params: { heads, headDim, ...flags }, rows })).toMatchObject(
      expected,
    );
  });

  it("are a table's rows that are looked up, and not the table", () => {
    const [rows, c, table] = [4, 32, 1000];
    const expected = loops((x, _, out) => {
      for (let m = 0; m < rows; m++) {
        x.touch("indices", m);
        for (let i = 0; i < 34; i++) x.touch("table", 34 * (11 * m) + i, 1);
        for (let i = 0; i < c; i++) out.touch("out", m * c + i);
      }
    });
    const of = { family: "gather", params: { c, held: "int8" }, rows, scalars: [table] } as const;
    expect(touched(of, "table")).toMatchObject(expected);
    expect(touched(of)?.rowBytes).toBe(34 * table + 4 * rows);
  });

  it("follow scalars where lengths are theirs, and are not known without them", () => {
    const [rows, c] = [6, 19];
    const expected = loops((x, _, out) => {
      for (let m = 0; m < rows; m++) {
        for (let i = 0; i < c; i++) {
          x.touch("x", m * c + i);
          out.touch("out", m * c + i);
        }
      }
    });
    const of = { family: "softmax", params: { log: false }, rows } as const;
    expect(touched({ ...of, scalars: [c] })).toMatchObject(expected);
    expect(touched(of)).toBeNull();
  });

  it("of elements are those of strided operands, each once where they repeat", () => {
    // out[i, j] = in0[i, j] + in1[j]
    const [m, n] = [3, 10];
    const expected = loops((x, _, out) => {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          x.touch("in0", n * i + j);
          x.touch("in1", j);
          out.touch("out", n * i + j);
        }
      }
    });
    const input = (index: number) => ({ kind: "input", index }) as const;
    const expression = { kind: "binary", fn: "add", left: input(0), right: input(1) } as const;
    const params = { rank: 2, inputs: ["f32", "f32"], output: "f32", expression } as const;
    const scalars = [m, n, n, 1, 0, 1, n, 1];
    expect(touched({ family: "elementwise", params, rows: m * n, scalars })).toMatchObject(expected);
  });
});
