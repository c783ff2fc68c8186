import type { DeviceDType, Kernel, KernelArg, ScalarType } from "../program/program.js";
import { Params } from "./params.js";

/** What launches of a kernel pass. */
export interface Signature {
  readonly args: readonly KernelArg[];
  readonly scalars: readonly ScalarType[];
}

const row = (name: string, dtype: DeviceDType = "f32"): KernelArg => ({
  name,
  dtype,
  access: "read",
  byRow: true,
});
const whole = (name: string, dtype: DeviceDType = "f32"): KernelArg => ({
  ...row(name, dtype),
  byRow: false,
});
const written = (arg: KernelArg): KernelArg => ({ ...arg, access: "write" });
const out = (p: Params): KernelArg => written(row("out", p.storage("out")));
const rows = (...args: readonly KernelArg[]): Signature => ({ args, scalars: [] });
const sized = (...args: readonly KernelArg[]): Signature => ({ args, scalars: ["u32"] });
const where = (present: boolean, ...args: readonly KernelArg[]) => (present ? args : []);

const CODES = [written(row("q", "i8")), written(row("rowScale")), written(row("rowSum", "i32"))] as const;
const gated = (p: Params) => where(p.flag("gated"), row("gate"), row("residual"));
const bias = (p: Params) => where(p.flag("bias"), whole("bias"));

/** The signatures that `ir/families/<family>.ts` documents, by family. */
const SIGNATURES: Readonly<Record<string, (p: Params) => Signature>> = {
  "ternary-gemm"(p) {
    const activations = p.word("activations", "i8", "bf16", "f32");
    const x =
      activations === "i8"
        ? [row("q", "i8"), row("rowScale"), row("rowSum", "i32")]
        : [row("x", activations)];
    const heads = where(p.has("heads"), whole("headWeights"), row("cos"), row("sin"));
    return rows(...x, whole("weights", "u32"), whole("scales"), ...bias(p), ...gated(p), ...heads, out(p));
  },
  "dense-gemm": (p) => rows(row("x", p.storage("x")), whole("weights"), ...bias(p), ...gated(p), out(p)),
  attention(p) {
    const type = p.storage("storage");
    return sized(row("q", type), whole("k", type), whole("v", type), written(row("out", type)));
  },
  adaln: (p) => rows(row("x"), row("shift"), row("scale"), out(p)),
  "adaln-quantize": () => rows(row("x"), row("shift"), row("scale"), ...CODES),
  "quantize-rows"(p) {
    const names = p.has("parts") ? p.sizes("parts").map((_, i) => `x${i}`) : ["x"];
    return rows(...names.map((name) => row(name, p.storage("x"))), ...CODES);
  },
  "qk-norm-rope"(p) {
    const tables = where(p.flag("rope"), row("cos"), row("sin"));
    return rows(row("x", p.storage("x")), ...where(p.flag("weight"), whole("weight")), ...tables, out(p));
  },
  "layer-norm"(p) {
    const affine = [...where(p.flag("scale"), whole("scale")), ...where(p.flag("bias"), whole("bias"))];
    return rows(row("x"), ...affine, written(row("out")));
  },
  "rope-table": () => rows(row("ids"), written(row("cos")), written(row("sin"))),
  "timestep-embedding": () => rows(row("t"), written(row("out"))),
  reduce: () => sized(row("x"), written(row("out"))),
  softmax: () => sized(row("x"), written(row("out"))),
  gather: () => sized(whole("table"), row("indices", "i32"), written(row("out"))),
  "euler-step": () => rows({ ...row("x"), access: "read-write" }, row("v"), whole("dt")),
  "unpack-trits": () => rows(whole("trits", "u8"), written(whole("weights", "u32"))),
  "unpack-dense": () => rows(whole("source", "u8"), written(whole("weights"))),
  matmul: () => ({
    args: [whole("a"), whole("b"), written(whole("out"))],
    scalars: new Array<ScalarType>(12).fill("u32"),
  }),
  elementwise(p) {
    const types = ["f32", "i32", "u32"] as const;
    const operands: DeviceDType[] = [...p.words("inputs", ...types), p.word("output", ...types)];
    for (const index of p.has("bf16") ? p.sizes("bf16") : []) operands[index] = "bf16";
    const args = operands.map((type, i) =>
      i === operands.length - 1 ? written(whole("out", type)) : whole(`in${i}`, type),
    );
    return {
      args,
      scalars: new Array<ScalarType>(Math.min(p.size("rank"), 5) * (args.length + 1)).fill("u32"),
    };
  },
};

/** Whether there are kernels of this family. */
export function isFamily(family: string): boolean {
  return Object.hasOwn(SIGNATURES, family);
}

/** The signature of a kernel of a known family, by its parameters. Throws TRITC_E_PROGRAM where one is missing. */
export function signatureOf(kernel: Kernel): Signature {
  const make = isFamily(kernel.family) ? SIGNATURES[kernel.family] : undefined;
  return make?.(new Params(kernel)) ?? rows();
}
