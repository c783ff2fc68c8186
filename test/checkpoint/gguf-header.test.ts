/** GGUF headers that are damaged, hostile or of another kind are refused, each with what is wrong and where. */
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ggufTensors } from "../../compiler/checkpoint/gguf/tensors.js";
import { TritcError } from "../../ir/errors.js";
import {
  type GgufField,
  type GgufParts,
  type GgufTensor,
  ggufFile,
  text,
  textField,
  u16Field,
  u32,
  u32Field,
  u64,
} from "../support/gguf-file.js";
import { modelFiles } from "../support/model-files.js";
import { dice, mutateBytes } from "../support/mutate.js";

const { root } = modelFiles();
let count = 0;

const tensor = (name: string, shape: readonly (number | bigint)[] = [2, 4], kind = 0): GgufTensor => ({
  name,
  kind,
  shape,
  bytes: new Uint8Array(32).fill(1),
});
const ONE = [tensor("a")];

function saved(content: GgufParts | Uint8Array, name = `${count++}.gguf`): string {
  const file = join(root, name);
  writeFileSync(file, content instanceof Uint8Array ? content : ggufFile(content));
  return file;
}

function expectRefused(file: string, message: RegExp): void {
  expect(() => ggufTensors(file)).toThrow(message);
  expect(() => ggufTensors(file)).toThrow(expect.objectContaining({ code: "TRITC_E_GGUF" }));
}

const names = (file: string) => [...ggufTensors(file).constants.keys()];

describe("a header", () => {
  it.each<[string, GgufParts, RegExp]>([
    [
      "of version 1",
      { tensors: ONE, version: 1 },
      /expected: version 2 or 3, little-endian\n {2}found: {4}version 1/,
    ],
    ["of the other byte order", { tensors: ONE, version: 0x03000000 }, /found: {4}a big-endian file/],
    [
      "with more tensors than bytes",
      { tensors: ONE, counts: [1n << 40n, 1n] },
      /runs past the end of the file[\s\S]*found: {4}1099511627776 tensors/,
    ],
    ["with a count of 2^63", { tensors: ONE, counts: [1n << 63n, 1n] }, /too large \(tensors\)/],
    [
      "with more keys than bytes",
      { tensors: ONE, counts: [1n, 1n << 50n] },
      /runs past the end of the file[\s\S]*found: {4}1125899906842624 keys/,
    ],
    [
      "with a key twice",
      { tensors: ONE, fields: [textField("k", "a"), textField("k", "b")] },
      /gguf: k: the header has a key twice/,
    ],
    [
      "with a value of an unknown type",
      { tensors: ONE, fields: [["k", 13, u32(0)]] },
      /k: .*unknown type[\s\S]*found: {4}13/,
    ],
    [
      "with a text of gigabytes",
      { tensors: ONE, fields: [["k", 8, u64(5_000_000_000)]] },
      /runs past the end of the file[\s\S]*found: {4}5000000000 bytes of a text/,
    ],
    [
      "with a list of gigabytes",
      { tensors: ONE, fields: [["k", 9, Buffer.concat([u32(12), u64(1n << 40n)])]] },
      /found: {4}1099511627776 elements/,
    ],
    [
      "with a list of too many texts",
      { tensors: ONE, fields: [["k", 9, Buffer.concat([u32(8), u64(1n << 30n)])]] },
      /found: {4}1073741824 texts/,
    ],
    [
      "with lists within lists within lists",
      { tensors: ONE, fields: [["k", 9, nested(6)]] },
      /k: lists in the header are nested too deeply/,
    ],
    ["with a text that is not UTF-8", { tensors: ONE, fields: [["k", 8, badText()]] }, /a text is not UTF-8/],
    [
      "aligned to nothing",
      { tensors: ONE, fields: [u32Field("general.alignment", 0)] },
      /alignment: .*[\s\S]*found: {4}0/,
    ],
    [
      "aligned by a text",
      { tensors: ONE, fields: [textField("general.alignment", "32")] },
      /alignment: data cannot/,
    ],
  ])("%s", (_, parts, message) => expectRefused(saved(parts), message));

  it("of any length is refused as cut off, and as too short", () => {
    const bytes = ggufFile({ tensors: [tensor("a"), tensor("b")] });
    for (let length = 4; length < bytes.length; length++) {
      const file = saved(bytes, "cut.gguf");
      truncateSync(file, length);
      expectRefused(file, /cut\.gguf: /);
    }
  });

  it("passes over what nobody asks for", () => {
    const fields: GgufField[] = [
      ["tokens", 9, Buffer.concat([u32(8), u64(2), text("one"), text("")])],
      ["lists", 9, nested(3)],
      ["long", 8, text("x".repeat(300_000))],
      ["half", 6, new Uint8Array(Float32Array.of(0.5).buffer)],
    ];
    expect(names(saved({ tensors: [tensor("a"), tensor("b")], fields, alignment: 64, version: 2 }))).toEqual([
      "a",
      "b",
    ]);
  });

  it("of rotated weights is refused by the key that says so", () => {
    const fields = [u32Field("prism.hadamard.block", 128)];
    expectRefused(
      saved({ tensors: ONE, fields }),
      /prism\.hadamard\.block: the weights are stored in a rotated basis/,
    );
  });
});

describe("a tensor", () => {
  it.each<[string, readonly GgufTensor[], RegExp]>([
    ["of a name that is there", [tensor("a"), tensor("a")], /gguf: a: the file has two tensors of one name/],
    ["of five dimensions", [tensor("a", [1, 1, 1, 1, 8])], /a: .*too many dimensions[\s\S]*found: {4}5/],
    ["of 2^64 elements", [tensor("a", [1n << 32n, 1n << 32n])], /a: the tensor's size overflows/],
    ["of a dimension of 2^63", [tensor("a", [1n << 63n, 2])], /too large \(a dimension of a\)/],
    [
      "behind the end",
      [{ ...tensor("a"), offset: 1 << 20 }],
      /a: the tensor's data lie where none can[\s\S]*found: {4}byte 1048704/,
    ],
    ["at an odd byte", [{ ...tensor("a"), offset: 4 }], /a multiple of 32 up to/],
    ["at byte 2^60", [{ ...tensor("a"), offset: 1n << 60n }], /too large \(the offset of a\)/],
    ["longer than the file", [tensor("a", [64, 64])], /a: .* past the end[\s\S]*expected: 16384 bytes/],
    [
      "over another one",
      [tensor("a", [4, 4]), tensor("b")],
      /a: the tensor's data run into the next tensor's/,
    ],
    ["where another one is", [tensor("a"), { ...tensor("b"), offset: 0 }], /a: the tensor's data run into/],
    [
      "of half a block",
      [tensor("a", [2, 16], 8)],
      /a: .*not whole blocks[\s\S]*a multiple of 32 for Q8_0\n.*\[2, 16\]/,
    ],
    [
      "of a kind that is not read",
      [tensor("a"), tensor("b", [1, 256], 23)],
      /F32, F16, [\s\S]*found: {4}IQ4_XS x1/,
    ],
    ["of a kind that nobody knows", [tensor("a", [8], 999), tensor("b", [8], 999)], /found: {4}kind 999 x2/],
    [
      "of a name of gigabytes",
      [tensor("a".repeat(2000))],
      /a tensor's name is too long[\s\S]*found: {4}2000 bytes/,
    ],
  ])("%s", (_, tensors, message) => expectRefused(saved({ tensors }), message));

  it("may be empty, a scalar, and lie before those that come before it", () => {
    const swapped = [
      { ...tensor("b"), offset: 32 },
      { ...tensor("a", []), offset: 0 },
      { ...tensor("none", [0, 4]), offset: 64, bytes: new Uint8Array() },
    ];
    expect(names(saved({ tensors: swapped }))).toEqual(["a", "b", "none"]);
  });
});

describe("parts of a model", () => {
  const part = (i: number, of: number, names: readonly string[]): GgufParts => ({
    tensors: names.map((name) => tensor(name)),
    fields: [u16Field("split.no", i), u16Field("split.count", of)],
  });
  const name = (i: number, of: number, stem: string) =>
    `${stem}-${String(i).padStart(5, "0")}-of-${String(of).padStart(5, "0")}.gguf`;

  function model(stem: string, tensors: readonly (readonly string[])[]): string[] {
    return tensors.map((names, i) =>
      saved(part(i, tensors.length, names), name(i + 1, tensors.length, stem)),
    );
  }

  it("are read together, whichever is given", () => {
    for (const file of model("whole", [["a", "b"], ["c"], []])) expect(names(file)).toEqual(["a", "b", "c"]);
  });

  it("have to be there, under their names, once", () => {
    const [first = ""] = model("torn", [["a"], ["b"]]);
    const [, second = ""] = model("torn", [["a"], ["a"]]);
    expectRefused(second, /00002-of-00002\.gguf: a: two parts of the model have a tensor of one name/);
    saved(part(0, 2, ["b"]), name(2, 2, "torn"));
    expectRefused(first, /split\.no: the file is another part[\s\S]*expected: 1 of 2\n {2}found: {4}0 of 2/);
    expectRefused(
      saved(part(0, 3, ["a"]), name(1, 3, "lost")),
      /lost-00002-of-00003\.gguf: a part of the model is missing/,
    );
    expectRefused(saved(part(0, 2, ["a"]), "renamed.gguf"), /split\.count: .*name does not say where/);
    expectRefused(saved(part(0, 60000, ["a"]), name(1, 2, "many")), /-00001-of-60000\.gguf/);
  });
});

it("with other bytes anywhere, a header is read or refused", () => {
  const bytes = ggufFile({
    tensors: [
      tensor("model.a.weight", [2, 4]),
      { ...tensor("b", [1, 64], 42), bytes: new Uint8Array(18) },
      tensor("c"),
    ],
    fields: [textField("general.architecture", "flux"), ["l", 9, nested(2)], u16Field("split.count", 1)],
  });
  let read = 0;
  for (let seed = 1; seed <= 600; seed++) {
    const file = saved(mutateBytes(bytes, dice(seed)), "mutated.gguf");
    try {
      ggufTensors(file);
      read++;
    } catch (error) {
      if (!(error instanceof TritcError)) throw new Error(`seed ${seed}`, { cause: error });
      expect(error.code).toBe("TRITC_E_GGUF");
      expect(error.details.remedy).toBeTruthy();
    }
  }
  expect(read).toBeGreaterThan(40);
  expect(read).toBeLessThan(550);
});

/** A list of lists … of one byte. */
function nested(depth: number): Uint8Array {
  if (depth === 0) return u32(0);
  const inner = depth === 1 ? Buffer.concat([u32(0), u64(1), Uint8Array.of(7)]) : nested(depth - 1);
  return depth === 1 ? inner : Buffer.concat([u32(9), u64(1), inner]);
}

function badText(): Uint8Array {
  return Buffer.concat([u64(2), Uint8Array.of(0xc3, 0x28)]);
}
