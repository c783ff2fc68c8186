import { describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import {
  encodeHeader,
  entryTensor,
  headerLength,
  parseHeader,
  parseMixedHeader,
  parseSafetensors,
  serialize,
} from "../../ir/format/safetensors.js";
import { parseStrictJson } from "../../ir/format/strict-json.js";
import type { Tensor } from "../../ir/tensor.js";
import { bool, f32, f64, of, random, whole } from "./onnx-case.js";

/** A file with the given header text and `data` bytes of data. */
function file(header: string, data = 0, length = -1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const out = new Uint8Array(8 + text.length + data).fill(0xa5);
  new DataView(out.buffer).setBigUint64(0, BigInt(length < 0 ? text.length : length), true);
  out.set(text, 8);
  return out;
}

const entry = (name: string, begin: number, end: number, shape = `[${(end - begin) / 4}]`) =>
  `"${name}":{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;

function refusal(bytes: Uint8Array, size = bytes.length): string {
  try {
    parseHeader(bytes, size, "w.safetensors");
  } catch (error) {
    expect(error).toBeInstanceOf(TritcError);
    if (error instanceof TritcError) {
      expect(error.code).toBe("TRITC_E_SAFETENSORS");
      return error.message;
    }
  }
  throw new Error("the file was accepted");
}

describe("a header that breaks one rule", () => {
  it.each<[string, Uint8Array, RegExp]>([
    ["shorter than a length", new Uint8Array(7), /too short/],
    ["over 100 MB", file("{}", 0, 100_000_001), /too large/],
    ["past the end", file("{}", 0, 99), /past the end/],
    ["not an object", file("[]"), /does not start/],
    ["space in front", file(" {}"), /does not start/],
    ["text after", file("{}x"), /not valid JSON/],
    ["not JSON", file('{"a":}'), /not valid JSON/],
    ["duplicate key", file(`{${entry("a", 0, 4)},${entry("a", 0, 4)}}`, 4), /duplicate key/],
    ["duplicate key, escaped", file(`{${entry("a", 0, 4)},${entry("\\u0061", 0, 4)}}`, 4), /duplicate key/],
    [
      "a field twice",
      file('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      /duplicate key/,
    ],
    ["hole at the start", file(`{${entry("a", 4, 8)}}`, 8), /hole/],
    ["hole between", file(`{${entry("a", 0, 4)},${entry("b", 8, 12)}}`, 12), /hole/],
    ["overlap", file(`{${entry("a", 0, 8)},${entry("b", 4, 12)}}`, 12), /overlap/],
    ["trailing bytes", file(`{${entry("a", 0, 4)}}`, 5), /after the last/],
    ["missing bytes", file(`{${entry("a", 0, 8)}}`, 4), /cut off/],
    ["size that is not shape times dtype", file(`{${entry("a", 0, 8, "[3]")}}`, 8), /size of its shape/],
    ["backwards", file(`{${entry("a", 8, 4, "[1]")}}`, 8), /backwards/],
    ["size that overflows", file(`{${entry("a", 0, 4, "[4294967296,4294967296]")}}`, 4), /overflows/],
    [
      "offset over 2^53",
      file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[9007199254740992,9007199254740996]}}', 4),
      /data_offsets/,
    ],
    ["negative offset", file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}', 4), /data_offsets/],
    ["fractional size", file('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', 4), /shape/],
    ["three offsets", file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}', 4), /data_offsets/],
    ["unknown dtype", file('{"a":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}}', 4), /unknown dtype/],
    [
      "inherited dtype",
      file('{"a":{"dtype":"constructor","shape":[1],"data_offsets":[0,4]}}', 4),
      /unknown dtype/,
    ],
    [
      "unknown field",
      file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}', 4),
      /unknown field/,
    ],
    ["entry that is not an object", file('{"a":7}'), /not an object/],
    ["metadata that is not strings", file('{"__metadata__":{"a":1}}'), /not a string/],
    ["invalid UTF-8", file("{}").fill(0xff, 9), /not valid JSON/],
    ["deep nesting", file(`{"a":${"[".repeat(9999)}`), /nesting/],
  ])("%s", (_, bytes, message) => {
    expect(refusal(bytes)).toMatch(message);
  });

  it("nothing of a large header is read before its length is checked", () => {
    expect(headerLength(file(`{${entry("a", 0, 4)}}`, 4), 1e9)).toBeGreaterThan(2);
    expect(refusal(file(`{${entry("a", 0, 4)}}`).subarray(0, 12), 100)).toMatch(/cut off/);
  });
  it("names are printed without their control characters", () => {
    expect(refusal(file(`{${entry("\\u001b[31mred", 4, 8)}}`, 8))).not.toContain("\u001b");
  });
});

describe("a good file", () => {
  it("may have odd names, empty tensors, scalars and padding", () => {
    const bytes = file(
      `{"__metadata__":{"k":"v"},${entry("__proto__", 0, 8)},${entry("e", 8, 8, "[0,5]")},${entry("s", 8, 12, "[]")}}   `,
      12,
    );
    const header = parseHeader(bytes, bytes.length);
    expect([...header.entries.keys()]).toEqual(["__proto__", "e", "s"]);
    expect(header.entries.get("__proto__")?.shape).toEqual([2]);
    expect(header.metadata.get("k")).toBe("v");
    expect(entryTensor(header.entries.get("s")!, bytes.subarray(bytes.length - 4)).shape).toEqual([]);
  });

  it("may have null for metadata, as MLX writes it", () => {
    const bytes = file(`{"__metadata__":null,${entry("a", 0, 8)}}`, 8);
    expect(parseHeader(bytes, bytes.length).metadata.size).toBe(0);
  });

  it("every dtype goes there and back", () => {
    const tensors = new Map<string, Tensor>([
      ["f64", f64(2, 3)],
      ["f32", f32(5)],
      ["f16", of("f16", [3], [0.5, -1.25, 65504])],
      ["bf16", of("bf16", [3], [0.5, -1.25, 2 ** 100])],
      ...(["i64", "i32", "i16", "i8"] as const).map((t) => [t, whole(t, -99, 99, 2, 2)] as const),
      ...(["u64", "u32", "u16", "u8"] as const).map((t) => [t, whole(t, 0, 200, 3)] as const),
      ["bool", bool(7)],
      ["__proto__", f32(1)],
      ["7", f32(2)],
      ["", f32()],
    ]);
    const bytes = serialize(tensors, { made: "here" });
    const back = parseSafetensors(bytes);
    expect(new Set(back.keys())).toEqual(new Set(tensors.keys()));
    for (const [name, t] of tensors) expect(back.get(name)).toEqual(t);
    const { entries, dataStart, metadata } = parseHeader(bytes, bytes.length);
    expect(dataStart % 8).toBe(0);
    expect(metadata.get("made")).toBe("here");
    for (const e of entries.values()) expect(e.offset % (e.dtype.endsWith("64") ? 8 : 1)).toBe(0);
  });

  it("a writer refuses what the format cannot say", () => {
    expect(() => encodeHeader([{ name: "a", dtype: "i4", shape: [2] }])).toThrow(/no place/);
    expect(() =>
      encodeHeader([
        { name: "a", dtype: "f32", shape: [] },
        { name: "a", dtype: "f32", shape: [] },
      ]),
    ).toThrow(/one name/);
  });
});

describe("damaged files", () => {
  it("are read or refused, never anything else", () => {
    const good = serialize(
      new Map([
        ["weight", f32(3, 4)],
        ["bias", f32(4)],
        ["ids", whole("i64", 0, 9, 3)],
      ]),
      { format: "pt" },
    );
    const length = headerLength(good, good.length);
    const pieces = [
      '"',
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "0",
      "9",
      "-",
      "\\",
      "e",
      " ",
      "F16",
      "18446744073709551616",
    ];
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      const bytes = new Uint8Array(good);
      const edits = 1 + Math.floor(random() * 3);
      for (let e = 0; e < edits; e++) {
        const at = random() < 0.1 ? Math.floor(random() * 8) : 8 + Math.floor(random() * length);
        const piece = new TextEncoder().encode(pieces[Math.floor(random() * pieces.length)]);
        if (random() < 0.5) bytes.set(piece.subarray(0, Math.max(0, bytes.length - at)), at);
        else bytes[at] = Math.floor(random() * 256);
      }
      const end = random() < 0.2 ? Math.floor(random() * bytes.length) : bytes.length;
      try {
        parseSafetensors(bytes.subarray(0, end));
      } catch (error) {
        if (!(error instanceof TritcError) || error.code !== "TRITC_E_SAFETENSORS") throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1500);
  });
});

describe("strict JSON", () => {
  it.each([
    "01",
    "1.",
    "+1",
    "NaN",
    '"\u0001"',
    "[1,]",
    '{"a":1,}',
    "{a:1}",
    "tru",
    '"\\x"',
    '"',
    "",
    "1 2",
    "- 1",
  ])("refuses %s", (text) => {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  });
  it("reads every kind of value", () => {
    const value = parseStrictJson(' {"a" : [1, -2.5e3, true, false, null, "\\u00e9\\n"], "b": {}} ');
    expect(value).toBeInstanceOf(Map);
  });
});

describe("types that are not read", () => {
  const mixed = file(
    '{"a":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[4,6]},"c":{"dtype":"F4","shape":[3,2],"data_offsets":[6,9]}}',
    9,
  );

  it("are refused where every tensor is wanted", () => {
    expect(refusal(mixed)).toMatch(
      /tensor a: the tensor is of a type that is not read[\s\S]*found: {4}F8_E8M0/,
    );
  });

  it("stand apart where some are", () => {
    const { entries, unread } = parseMixedHeader(mixed, mixed.length);
    expect([...unread]).toEqual([
      ["a", "F8_E8M0"],
      ["c", "F4"],
    ]);
    expect([...entries.values()]).toMatchObject([{ name: "b", dtype: "f8e4m3", length: 2 }]);
  });

  it("have their size checked all the same", () => {
    const short = file('{"a":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,3]}}', 3);
    expect(() => parseMixedHeader(short, short.length)).toThrow(/does not have the size of its shape/);
  });
});
