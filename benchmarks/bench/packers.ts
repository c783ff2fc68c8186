import { openFloatPacker } from "../../compiler/pack/float-rows.js";
import { encodeBlocks } from "../../ir/constant/blocks/encode.js";
import type { TernaryMethod } from "../../ir/constant/constant.js";
import { codeRowBytes, packCodeRow, type TernaryStorage } from "../../ir/ternary/storage.js";
import { ternarizeRow } from "../../ir/ternary/ternarize.js";
import { floats } from "./numbers.js";
import type { Subject, Task } from "./subject.js";

/** A matrix of FLUX.1's width, an eighth of its rows. */
const [ROWS, WIDTH] = [384, 3072];
const METHODS: readonly TernaryMethod[] = ["absmean", "exact"];
const STORAGES: readonly TernaryStorage[] = ["trits", "2bit"];

/** Reading and writing the same floats, which no packer does without. */
function copying(values: Float32Array): Task {
  const copy = new Float32Array(values.length);
  return { name: "copying the floats", isPeer: true, run: () => copy.set(values) };
}

/** Ternary codes of f32 rows beside the plain loops that give them their meaning. */
const TERNARY: readonly Subject[] = METHODS.flatMap((method) =>
  STORAGES.map((storage) => ({
    name: `packers/${method} to ${storage} ${ROWS} x ${WIDTH}`,
    async open() {
      const values = floats(ROWS * WIDTH);
      const pack = await openFloatPacker();
      const packed = () => pack(values, WIDTH, { method }, storage)?.bytes ?? new Uint8Array();
      const plain = () => loops(values, method, storage);
      return {
        tasks: [
          { name: "TypeScript loops", isPeer: true, run: plain, result: async () => plain() },
          copying(values),
          { name: "WebAssembly", run: packed, result: async () => packed(), tolerance: 0 },
        ],
      };
    },
  })),
);

function loops(values: Float32Array, method: TernaryMethod, storage: TernaryStorage): Uint8Array {
  const rowBytes = codeRowBytes(storage, WIDTH);
  const out = new Uint8Array(ROWS * rowBytes);
  const codes = new Int8Array(WIDTH);
  for (let row = 0; row < ROWS; row++) {
    ternarizeRow(values.subarray(row * WIDTH, (row + 1) * WIDTH), method, codes);
    packCodeRow(storage, codes, out.subarray(row * rowBytes, (row + 1) * rowBytes));
  }
  return out;
}

/** Blocks of int8 and int4 codes of f32 rows. */
const BLOCKS: Subject = {
  name: `packers/blocks ${ROWS} x ${WIDTH}`,
  async open() {
    const values = floats(ROWS * WIDTH);
    return {
      tasks: [
        copying(values),
        { name: "int8", run: () => encodeBlocks("Q8_0", values) },
        { name: "int4", run: () => encodeBlocks("Q4_0", values) },
      ],
    };
  },
};

export const PACKERS: readonly Subject[] = [...TERNARY, BLOCKS];
