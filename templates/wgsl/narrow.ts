import { type NarrowLayout, narrowRow, PER_WORD } from "../../ir/families/contract/narrow.js";
import type { Held } from "../../ir/ops/held.js";
import { paddedColumns } from "./gemm-tile.js";

/** Element `e` of each of four words. */
function elementOf(held: Held): readonly string[] {
  const head = "fn elementsOf(words: vec4<u32>, e: u32) -> vec4<f32> {";
  switch (held) {
    case "bf16":
      return [
        head,
        "  return bitcast<vec4<f32>>(select(words & vec4<u32>(0xffff0000u), words << vec4<u32>(16u), e == 0u));",
        "}",
      ];
    case "int8":
      return [
        head,
        "  return vec4<f32>(bitcast<vec4<i32>>(words << vec4<u32>(24u - 8u * e)) >> vec4<u32>(24u));",
        "}",
      ];
    case "int4":
      return [head, "  return vec4<f32>((words >> vec4<u32>(4u * e)) & vec4<u32>(15u)) - 8.0;", "}"];
  }
}

/**
 * Functions that read weights in the narrow layout, vectors of 4 columns: `wordsOf(vector, word)`, `scalesOf(vector, k)` and
 * `elementsOf(words, e)`.
 */
export function narrowFunctions(matrix: NarrowLayout): string {
  const { words, scales } = narrowRow(matrix);
  const vectors = paddedColumns(matrix.n) / 4;
  const group =
    scales === 0
      ? ""
      : `weights[weightsRow(0u) / 4u + ${words * vectors}u + (k / 32u) * ${vectors}u + vector]`;
  return [
    "fn wordsOf(vector: u32, word: u32) -> vec4<u32> {",
    `  return weights[weightsRow(0u) / 4u + min(word, ${words - 1}u) * ${vectors}u + vector];`,
    "}",
    "fn scalesOf(vector: u32, k: u32) -> vec4<f32> {",
    `  return ${scales === 0 ? "vec4<f32>(1.0)" : `bitcast<vec4<f32>>(${group})`};`,
    "}",
    ...elementOf(matrix.held),
    "// Weights of 4 columns at k.",
    "fn weightAt(vector: u32, k: u32) -> vec4<f32> {",
    `  return scalesOf(vector, k) * elementsOf(wordsOf(vector, k / ${PER_WORD[matrix.held]}u), k % ${PER_WORD[matrix.held]}u);`,
    "}",
  ].join("\n");
}
