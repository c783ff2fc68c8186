import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { onnx as Onnx } from "onnx-proto";
import { externalTensor, int64, node, ONNX_TYPE, tensor, value } from "../onnx-builder.js";
import { bytes, type HostileCase, small, written } from "./case.js";

function initializer(name: string, message: RegExp, w: Onnx.ITensorProto, code = "ONNX_TENSOR"): HostileCase {
  return bytes(name, code, message, () => small({ initializers: [w] }));
}

const INLINE: readonly HostileCase[] = [
  initializer(
    "raw data that is too short",
    /tensor "w": raw_data has another length[\s\S]*12 bytes[\s\S]*8 bytes/,
    {
      ...tensor("w", "f32", [3], [1, 2]),
    },
  ),
  initializer("raw data that is too long", /raw_data has another length[\s\S]*12 bytes[\s\S]*16 bytes/, {
    ...tensor("w", "f32", [3], [1, 2, 3, 4]),
  }),
  initializer("typed data that is too short", /float_data has another length[\s\S]*3 values[\s\S]*2 values/, {
    name: "w",
    dims: [3],
    dataType: ONNX_TYPE.f32,
    floatData: [1, 2],
  }),
  initializer("values in the field of another type", /not in the field of its type[\s\S]*float_data/, {
    name: "w",
    dims: [3],
    dataType: ONNX_TYPE.f32,
    int32Data: [1, 2, 3],
  }),
  initializer("values given twice", /values are given twice[\s\S]*raw_data, float_data/, {
    ...tensor("w", "f32", [3], [1, 2, 3]),
    floatData: [1, 2, 3],
  }),
  initializer("no values at all", /not in the field of its type[\s\S]*no values/, {
    name: "w",
    dims: [3],
    dataType: ONNX_TYPE.f32,
  }),
  initializer("an int8 value out of range", /out of range for its type[\s\S]*-128 to 127[\s\S]*300/, {
    name: "w",
    dims: [2],
    dataType: ONNX_TYPE.i8,
    int32Data: [1, 300],
  }),
  initializer("half bits out of range", /out of range for its type[\s\S]*0 to 65535/, {
    name: "w",
    dims: [1],
    dataType: ONNX_TYPE.f16,
    int32Data: [70000],
  }),
  initializer("a negative dimension", /tensor "w": the tensor has a negative dimension[\s\S]*-3/, {
    name: "w",
    dims: [int64(-3)],
    dataType: ONNX_TYPE.f32,
    floatData: [1],
  }),
  initializer("dimensions whose product overflows", /product of the tensor's dimensions overflows/, {
    name: "w",
    dims: [int64(2 ** 32), int64(2 ** 32), int64(2 ** 32)],
    dataType: ONNX_TYPE.f32,
    floatData: [1],
  }),
  initializer("a dimension beyond 2^53", /a dimension of the tensor is too large/, {
    name: "w",
    dims: [int64(2n ** 62n)],
    dataType: ONNX_TYPE.u2,
  }),
  initializer(
    "a tensor without a type",
    /not a number type[\s\S]*UNDEFINED/,
    { name: "w", dims: [1] },
    "ONNX_UNSUPPORTED",
  ),
  initializer("strings", /not a number type[\s\S]*STRING/, { name: "w", dataType: 8 }, "ONNX_UNSUPPORTED"),
  initializer("an unknown type number", /type number 99/, { name: "w", dataType: 99 }, "ONNX_UNSUPPORTED"),
  initializer(
    "float8 weights",
    /tensor "w"[\s\S]*FLOAT8E4M3FN[\s\S]*use the bf16 export/,
    {
      name: "w",
      dims: [1],
      dataType: 17,
      rawData: Uint8Array.of(1),
    },
    "QUANTIZED_EXPORT",
  ),
  initializer(
    "float4 weights",
    /FLOAT4E2M1[\s\S]*use the bf16 export/,
    {
      name: "w",
      dims: [2],
      dataType: 23,
      rawData: Uint8Array.of(1),
    },
    "QUANTIZED_EXPORT",
  ),
  initializer(
    "a segment of a tensor",
    /one segment of a larger one/,
    {
      ...tensor("w", "f32", [3], [1, 2, 3]),
      segment: { begin: 0, end: 3 },
    },
    "ONNX_UNSUPPORTED",
  ),
  initializer(
    "an initializer without a name",
    /an initializer has no name/,
    tensor("", "f32", [1], [1]),
    "ONNX_INVALID",
  ),
  bytes("a sparse initializer", "ONNX_UNSUPPORTED", /initializer "s": sparse tensors are not supported/, () =>
    small({
      sparse: [{ values: tensor("s", "f32", [1], [1]), indices: tensor("", "i64", [1], [0]), dims: [4] }],
    }),
  ),
  bytes(
    "a Constant of the wrong length",
    "ONNX_TENSOR",
    /node "c" \(Constant\), attribute "value": raw_data/,
    () =>
      small({
        nodes: [node("Constant", [], ["c"], { value: { t: tensor("", "f32", [4], [1]) } })],
        outputs: [value("c")],
      }),
  ),
];

/** w in `w.bin` of 24 bytes, 12 of which are its own. */
function external(name: string, message: RegExp, entries: Readonly<Record<string, string>>): HostileCase {
  return {
    name: `external data: ${name}`,
    code: "TRITC_E_ONNX_EXTERNAL_DATA",
    message,
    files(directory) {
      writeFileSync(join(directory, "w.bin"), new Uint8Array(24).fill(7));
      mkdirSync(join(directory, "folder"));
      symlinkSync("nowhere.bin", join(directory, "dangling.bin"));
      symlinkSync("..", join(directory, "up"));
      linkSync(join(directory, "w.bin"), join(directory, "hard.bin"));
      return written(directory, small({ initializers: [externalTensor("w", "f32", [3], entries)] }));
    },
  };
}

const OUTSIDE = /tensor "w": the location of external data leaves the model's folder through "\.\."/;

const EXTERNAL: readonly HostileCase[] = [
  external("an absolute path", /the location of external data is an absolute path/, {
    location: "/etc/passwd",
  }),
  external("a Windows drive", /the location of external data is an absolute path/, {
    location: "C:\\secret",
  }),
  external("a network path", /the location of external data is an absolute path/, {
    location: "\\\\host\\share",
  }),
  external("a path that leaves the folder", OUTSIDE, { location: "../w.bin" }),
  external("a path that leaves and comes back", OUTSIDE, { location: "folder/../w.bin" }),
  external("a path that leaves with backslashes", OUTSIDE, { location: "folder\\..\\..\\w.bin" }),
  external("a path that leaves through a link", OUTSIDE, { location: "up/../../w.bin" }),
  external("a NUL in the path", /is not a file name/, { location: "w.bin\0.txt" }),
  external("an empty path", /is not a file name/, { location: "" }),
  external("the folder itself", /is not a file in the model's folder/, { location: "." }),
  external("a folder", /"folder" is not a regular file/, { location: "folder" }),
  external("a missing file", /the external data file "none\.bin" does not exist/, { location: "none.bin" }),
  external("a dangling link", /"dangling\.bin" does not exist/, { location: "dangling.bin" }),
  external("no path", /external data has no location/, { offset: "0" }),
  external(
    "an offset beyond the file",
    /ends after the end of "w\.bin"[\s\S]*24 bytes[\s\S]*offset 16 \+ length 12/,
    {
      location: "w.bin",
      offset: "16",
    },
  ),
  external("a length beyond the file, by a hard link", /ends after the end of "hard\.bin"/, {
    location: "hard.bin",
    offset: "24",
    length: "12",
  }),
  external("a negative offset", /the offset of external data is not a byte count[\s\S]*-4/, {
    location: "w.bin",
    offset: "-4",
  }),
  external("an offset in words", /the offset of external data is not a byte count/, {
    location: "w.bin",
    offset: "0x4",
  }),
  external("an offset beyond 2^53", /the offset of external data is not a byte count/, {
    location: "w.bin",
    offset: "9007199254740993",
  }),
  external("a length that is no number", /the length of external data is not a byte count/, {
    location: "w.bin",
    length: "12 ",
  }),
  external("a length that is not the shape's", /another length than[\s\S]*12 bytes[\s\S]*length 8/, {
    location: "w.bin",
    length: "8",
  }),
  {
    name: "external data: values inline too",
    code: "TRITC_E_ONNX_TENSOR",
    message: /both external data and raw_data/,
    files(directory) {
      writeFileSync(join(directory, "w.bin"), new Uint8Array(12));
      const w = { ...externalTensor("w", "f32", [3], { location: "w.bin" }), rawData: new Uint8Array(12) };
      return written(directory, small({ initializers: [w] }));
    },
  },
];

export const TENSOR_CASES: readonly HostileCase[] = [...INLINE, ...EXTERNAL];
