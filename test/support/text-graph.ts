import type { PassOptions } from "../../compiler/pass.js";
import { UNLIMITED } from "../../compiler/pass.js";
import { parseGraph } from "../../ir/graph/parse.js";
import type { Tensor } from "../../ir/tensor.js";
import { randomFloats } from "./random.js";

/** Rows of the table of tokens. */
export const VOCABULARY = 300;
const WIDTH = 64;

export const PASS_OPTIONS: PassOptions = {
  ternarize: "none",
  activations: "f32",
  bindings: {},
  sizes: {},
  limits: UNLIMITED,
};

function inline(seed: number, count: number, spread: number): string {
  return `hex(${Buffer.from(randomFloats(seed, count, spread).buffer).toString("hex")})`;
}

const linear = '{"role": null, "activation": "none", "gated": false}';

/** A layer as text encoders have it: tokens looked up, attention with a residual, and a linear of rows that are no whole groups. */
export const TEXT_GRAPH = parseGraph(`graph "text" {
  input %ids: i64[1, tokens]
  const %table: f32[${VOCABULARY}, ${WIDTH}] = ${inline(1, VOCABULARY * WIDTH, 1)}
  const %wq: f32[64, ${WIDTH}] = ${inline(2, 64 * WIDTH, 0.2)}
  const %wk: f32[32, ${WIDTH}] = ${inline(3, 32 * WIDTH, 0.2)}
  const %wv: f32[32, ${WIDTH}] = ${inline(4, 32 * WIDTH, 0.2)}
  const %wd: f32[20, 64] = ${inline(5, 20 * 64, 0.2)}
  const %wu: f32[5, 20] = ${inline(6, 5 * 20, 0.3)}
  %x: f32[1, tokens, ${WIDTH}] = gather(%table, %ids) {"axis": 0}
  %q: f32[1, tokens, 64] = linear(%x, %wq) ${linear}
  %k: f32[1, tokens, 32] = linear(%x, %wk) ${linear}
  %v: f32[1, tokens, 32] = linear(%x, %wv) ${linear}
  %a: f32[1, tokens, 64] = attention(%q, %k, %v) {"heads": 4, "scale": 0.25, "causal": true, "keyValueHeads": 2}
  %s: f32[1, tokens, 64] = binary(%a, %x) {"fn": "add"}
  %d: f32[1, tokens, 20] = linear(%s, %wd) ${linear}
  %y: f32[1, tokens, 5] = linear(%d, %wu) ${linear}
  output %y
}`);

/** Token ids, the first and the last of the table among them. */
export function textInputs(tokens: number): ReadonlyMap<string, Tensor> {
  const last = VOCABULARY - 1;
  const ids = Array.from({ length: tokens }, (_, i) => [0, last, (i * 37) % VOCABULARY][i % 3] ?? 0);
  return new Map([["ids", { dtype: "i64", shape: [1, tokens], data: BigInt64Array.from(ids, BigInt) }]]);
}
