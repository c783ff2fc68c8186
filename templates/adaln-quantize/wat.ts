import { type AdalnQuantizeParams, adalnQuantizeSignature } from "../../ir/families/adaln-quantize.js";
import type { KernelDefinition } from "../family.js";
import { quantizeValues } from "../quantize-rows/wat.js";
import { checkScratchRow, defineWat, rowTile, watArgs, watFloat } from "../wat/define.js";

export function adalnQuantizeWat(params: AdalnQuantizeParams): KernelDefinition {
  const { c, epsilon } = params;
  checkScratchRow("adaln-quantize", c);
  const signature = adalnQuantizeSignature(params);
  const tileM = rowTile(c);
  return defineWat("adaln-quantize", params, signature, {
    template: "adaln-quantize/adaln-quantize.wat.hbs",
    values: { args: watArgs(signature), ...quantizeValues(c), epsilon: watFloat(epsilon), tileM },
    tile: [1, tileM, 1],
  });
}
