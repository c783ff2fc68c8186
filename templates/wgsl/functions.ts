import type { Activation } from "../../ir/ops/linears.js";

/** WGSL has no infinity, and `exp` and `tanh` of large values may overflow on the way: arguments are bounded. */
const ERF = `// 2/sqrt(pi)·(x − x³/3 + x⁵/10 − …) near 0; Abramowitz and Stegun 7.1.26 elsewhere, |error| ≤ 1.5e-7.
fn erf(x: f32) -> f32 {
  let a = abs(x);
  if (a < 0.5) {
    let s = x * x;
    return x * (1.1283791671 + s * (-0.3761263890 + s * (0.1128379167 + s * (-0.0268661706 + s * (0.0052239776 + s * -0.0008548327)))));
  }
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-min(a * a, 80.0)));
}`;

/** Declarations of the activation function `activate(x)`; the identity where there is none. */
export function activationFunction(activation: Activation): string {
  switch (activation) {
    case "none":
      return "fn activate(x: f32) -> f32 { return x; }";
    case "silu":
      return "fn activate(x: f32) -> f32 { return x / (1.0 + exp(min(-x, 80.0))); }";
    case "gelu-tanh":
      return [
        "// x/2·(1 + tanh(u)) = x / (1 + e^(−2u)), u = sqrt(2/pi)·(x + 0.044715 x³)",
        "fn activate(x: f32) -> f32 {",
        "  return x / (1.0 + exp(min(-1.5957691216 * (x + 0.044715 * x * x * x), 80.0)));",
        "}",
      ].join("\n");
    case "gelu-erf":
      return `${ERF}\nfn activate(x: f32) -> f32 { return 0.5 * x * (1.0 + erf(x * 0.7071067812)); }`;
  }
}

export { ERF };

/**
 * `store(m, n, y)`: the end of every gemm, after scales: bias, activation, residual + gate·y, out. Ignores rows and
 * columns outside.
 */
export function gemmEpilogue(params: {
  readonly n: number;
  readonly activation: Activation;
  readonly bias: boolean;
  readonly gated: boolean;
}): string {
  const biased = params.bias ? "product + biasAt(biasRow(0u) + n)" : "product";
  const value = params.gated
    ? "residualAt(residualRow(m) + n) + gateAt(gateRow(m) + n) * activate(y)"
    : "activate(y)";
  return [
    activationFunction(params.activation),
    "fn store(m: u32, n: u32, product: f32) {",
    `  if (m >= rows() || n >= ${params.n}u) { return; }`,
    `  let y = ${biased};`,
    `  out[outRow(m) + n] = ${value};`,
    "}",
  ].join("\n");
}
