import type { Constant } from "../../ir/constant/constant.js";
import { isNarrowFloat } from "../../ir/constant/float8.js";
import { readConstant } from "../../ir/constant/read.js";
import { isFloat } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import { fileReader } from "../file-reader.js";
import { mapAsking } from "../sparse-files.js";
import { checkpointError } from "./errors.js";
import type { StoredTensors } from "./tensors.js";

/** Says in ComfyUI's files that weights are scaled 8-bit floats. */
const MARK = "scaled_fp8";
/** `<module>.<this>`: what the 8-bit weight is to be multiplied by, one number or one a row. */
const SCALES = ["scale_weight", "weight_scale"];
/** Scales for running the layer in 8 bits, which is not done: its inputs stay as they are. */
const INPUT_SCALES = ["scale_input", "input_scale"];
/** `<module>.comfy_quant`: JSON that names the form of the module's weight. */
const FORM = "comfy_quant";
const READ_FORMS: ReadonlySet<string> = new Set(["float8_e4m3fn", "float8_e5m2"]);

/**
 * A checkpoint's tensors with every scaled 8-bit weight as the product of the two, still unread, and without what only
 * described the scaling. Throws TRITC_E_CHECKPOINT for other quantized forms.
 */
export function unscaled({ constants, unread }: StoredTensors, place: string): StoredTensors {
  const out = new Map(constants);
  out.delete(MARK);
  mapAsking([...constants], ([name, constant]) => {
    if (name.endsWith(`.${FORM}`)) checkForm(constant, `${place}: ${name}`);
  });
  for (const [name, weight] of constants) {
    const [, module, leaf = ""] = /^(.*)\.([^.]+)$/.exec(name) ?? [];
    if (module === undefined) continue;
    if (leaf === FORM || INPUT_SCALES.includes(leaf)) {
      // Only where it belongs to a weight: others are nobody's, and refused as such.
      if (constants.has(`${module}.weight`)) out.delete(name);
    }
    if (leaf !== "weight" || !isNarrowFloat(weight.dtype)) continue;
    const scaleName = SCALES.map((scale) => `${module}.${scale}`).find((scale) => constants.has(scale));
    const scale = scaleName === undefined ? undefined : constants.get(scaleName);
    if (scaleName === undefined || scale === undefined) continue;
    out.set(name, scaled(weight, scale, `${place}: ${scaleName}`));
    out.delete(scaleName);
  }
  return { constants: out, unread };
}

function scaled(weight: Constant, scale: Constant, place: string): Constant {
  const [rows = 1] = weight.shape;
  const count = countOf(scale.shape);
  const byRow = count === rows && scale.shape[0] === rows;
  if ((count !== 1 && !byRow) || !isFloat(scale.dtype)) {
    throw checkpointError({
      place,
      message: "the weight is scaled in a way that is not read",
      expected: `one number, or one for each of ${rows} rows`,
      found: `${scale.dtype} [${scale.shape.join(", ")}]`,
      remedy: "use the bfloat16 checkpoint",
    });
  }
  const flat: Constant = { dtype: scale.dtype, shape: [count], source: { kind: "reshape", of: scale } };
  const wide: Constant = { dtype: "f32", shape: [count], source: { kind: "cast", of: flat } };
  return {
    dtype: "f32",
    shape: weight.shape,
    source: { kind: "dequantize", codes: weight, scale: wide, zeroPoint: null, axis: 0, blockSize: 0 },
  };
}

function checkForm(constant: Constant, place: string): void {
  const form = formOf(constant);
  if (form !== undefined && READ_FORMS.has(form)) return;
  throw checkpointError({
    place,
    message: "the weight is quantized in a form that is not read",
    expected: [...READ_FORMS].join(" or "),
    found: form ?? "no form",
    remedy: "use the bfloat16 checkpoint",
  });
}

function formOf(constant: Constant): string | undefined {
  if (constant.dtype !== "u8" || countOf(constant.shape) > 4096) return undefined;
  const reader = fileReader();
  try {
    const bytes = Uint8Array.from(readConstant(constant, reader).data, Number);
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const form = typeof json === "object" && json !== null ? Reflect.get(json, "format") : undefined;
    return typeof form === "string" ? form : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    reader.close();
  }
}
