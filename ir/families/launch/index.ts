import type { Language } from "../../program/program.js";
import type { FamilyName, FamilyParams } from "../index.js";
import { attentionForms } from "./attention.js";
import { denseGemmForms } from "./dense-gemm.js";
import type { Forms } from "./form.js";
import { elementwiseForms, matmulForms } from "./general.js";
import {
  adalnForms,
  adalnQuantizeForms,
  gatherForms,
  layerNormForms,
  qkNormRopeForms,
  quantizeRowsForms,
  reduceForms,
  ropeTableForms,
  softmaxForms,
  timestepEmbeddingForms,
} from "./rows.js";
import { ternaryGemmForms } from "./ternary-gemm.js";
import { unpackDenseForms, unpackTritsForms } from "./unpack.js";

/** The forms of every family's kernels, by language. */
export const FORMS: { readonly [F in FamilyName]: Readonly<Record<Language, Forms<FamilyParams[F]>>> } = {
  adaln: adalnForms,
  "adaln-quantize": adalnQuantizeForms,
  attention: attentionForms,
  "dense-gemm": denseGemmForms,
  elementwise: elementwiseForms,
  gather: gatherForms,
  "layer-norm": layerNormForms,
  matmul: matmulForms,
  "qk-norm-rope": qkNormRopeForms,
  "quantize-rows": quantizeRowsForms,
  reduce: reduceForms,
  "rope-table": ropeTableForms,
  softmax: softmaxForms,
  "ternary-gemm": ternaryGemmForms,
  "timestep-embedding": timestepEmbeddingForms,
  "unpack-dense": unpackDenseForms,
  "unpack-trits": unpackTritsForms,
};
