import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import onnxProto from "onnx-proto";
import { afterAll, describe, expect, it } from "vitest";
import { importOnnx } from "../../compiler/onnx/index.js";
import { TritcError } from "../../ir/errors.js";
import { externalTensor, graph, model, node, tensor, value } from "../support/onnx-builder.js";
import { uniform } from "../support/random.js";

const root = mkdtempSync(join(tmpdir(), "tritc-fuzz-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A small model with one of everything that the reader decodes. */
function seedModel(): Uint8Array {
  const branch = (op: string) =>
    graph({ outputs: [value("b", "f32", [2, 3])], nodes: [node(op, ["a"], ["b"])] });
  const body = graph({
    inputs: [value("i", "i64", []), value("go", "bool", []), value("v", "f32", [2, 3])],
    outputs: [value("go", "bool", []), value("v2", "f32", [2, 3]), value("v3", "f32", [2, 3])],
    nodes: [node("Add", ["v", "w"], ["v2"]), node("Mul", ["v2", "half"], ["v3"])],
  });
  return model(
    {
      inputs: [value("x", "f32", ["batch", 3])],
      outputs: [value("y", "f32")],
      initializers: [
        tensor("w", "f32", [3], [1, 2, 3]),
        { name: "half", dims: [1], dataType: 1, floatData: [0.5] },
        tensor("q", "i8", [2, 3], [1, 2, 3, 4, 5, 6]),
        tensor("n", "i64", [], [2]),
        tensor("yes", "bool", [], [1]),
        externalTensor("e", "f32", [3], { location: "e.bin", offset: "0", length: "12" }),
      ],
      nodes: [
        node("DequantizeLinear", ["q", "half"], ["d"], { axis: { i: 0 } }),
        node("Constant", [], ["c"], { value: { t: tensor("", "i64", [2], [0, 1]) } }),
        node("Transpose", ["x"], ["t"], { perm: { ints: [1, 0] } }),
        node("ReduceMean", ["t"], ["m"], { axes: { ints: [-1] }, keepdims: { i: 0 } }),
        node("LayerNormalization", ["x", "w"], ["l", "l1", "l2"], { axis: { i: -1 }, epsilon: { f: 1e-6 } }),
        node("Split", ["l"], ["s0", "s1"], { axis: { i: 0 } }),
        node("Concat", ["s0", "s1", "d"], ["j"], { axis: { i: 0 } }),
        node("Local", ["j"], ["a"], { k: { i: 2 } }, { domain: "local" }),
        node("If", ["yes"], ["f"], { then_branch: { g: branch("Neg") }, else_branch: { g: branch("Abs") } }),
        node("Loop", ["n", "", "f"], ["v", "vs"], { body: { g: body } }),
        node("Einsum", ["m", "w"], ["o"], { equation: { s: "i,j->ij" } }),
        node("Add", ["v", "e"], ["y"]),
      ],
    },
    {
      domains: ["local"],
      functions: [
        {
          name: "Local",
          domain: "local",
          inputs: ["p"],
          outputs: ["r"],
          attributes: ["k"],
          nodes: [
            node("Constant", [], ["k"], { value_int: { ref: "k" } }),
            node("Cast", ["k"], ["kf"], { to: { i: 1 } }),
            node("Mul", ["p", "kf"], ["r"]),
          ],
        },
      ],
    },
  );
}

function generator(seed: number): (limit: number) => number {
  const next = uniform(seed);
  return (limit) => Math.floor(next() * limit);
}

/** Imports; the only errors allowed are the reader's own. Returns whether the model was accepted. */
function survives(bytes: Uint8Array): boolean {
  const file = join(root, "model.onnx");
  writeFileSync(file, bytes);
  try {
    importOnnx(file);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(TritcError);
    return false;
  }
}

const INTERESTING = [0, 1, 2, 3, 7, 8, 16, 17, 22, 127, 128, 255];

const { onnx } = onnxProto;

describe("damaged models are refused in an orderly way", () => {
  const seed = seedModel();
  writeFileSync(join(root, "e.bin"), new Uint8Array(12));

  it("the undamaged model is read", () => {
    expect(survives(seed)).toBe(true);
  });

  it("bytes replaced, inserted and cut", () => {
    const random = generator(1);
    let accepted = 0;
    for (let round = 0; round < 500; round++) {
      const bytes = Array.from(seed);
      for (let k = random(3); k >= 0; k--) {
        const at = random(bytes.length);
        const byte = INTERESTING[random(INTERESTING.length)] ?? 0;
        const kind = random(4);
        if (kind < 2) bytes[at] = byte;
        else if (kind === 2) bytes.splice(at, 0, byte);
        else bytes.splice(at, 1 + random(8));
      }
      if (survives(Uint8Array.from(bytes))) accepted++;
    }
    expect(accepted).toBeLessThan(500);
  });

  it("every truncation", () => {
    for (let length = 0; length < seed.length; length += 3) survives(seed.subarray(0, length));
  });

  it("well-formed protobuf with fields changed", () => {
    const random = generator(2);
    for (let round = 0; round < 500; round++) {
      const plain: unknown = onnx.ModelProto.toObject(onnx.ModelProto.decode(seed), { longs: String });
      const fields = [...leaves(plain)];
      for (let k = random(3); k >= 0; k--) fields[random(fields.length)]?.(random);
      survives(onnx.ModelProto.encode(onnx.ModelProto.fromObject(plain as Record<string, unknown>)).finish());
    }
  });
});

type Change = (random: (limit: number) => number) => void;

const NAMES = ["", "x", "y", "w", "b", "Add", "Loop", "Neg", "local", "axis", "perm", "__proto__"];
const NUMBERS = [
  "0",
  "1",
  "-1",
  "5",
  "63",
  "-64",
  "2147483648",
  "9223372036854775807",
  "-9223372036854775808",
];

/** One change for each scalar and list of a message. */
function* leaves(message: unknown): Generator<Change> {
  if (typeof message !== "object" || message === null || message instanceof Uint8Array) return;
  for (const [key, field] of Object.entries(message)) {
    const set = (v: unknown) => Reflect.set(message, key, v);
    if (Array.isArray(field)) {
      yield (random) => field.splice(random(field.length + 1), 1);
      yield (random) => field.push(field[random(field.length)]);
    }
    if (field instanceof Uint8Array) yield (random) => set(field.slice(random(field.length + 1)));
    else if (typeof field === "object") yield* leaves(field);
    else if (typeof field === "string" && /^-?\d+$/.test(field))
      yield (random) => set(NUMBERS[random(NUMBERS.length)]);
    else if (typeof field === "string") yield (random) => set(NAMES[random(NAMES.length)]);
    else if (typeof field === "number") yield (random) => set(random(30));
  }
}
