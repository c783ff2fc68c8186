import { type RopeTableParams, ropeTableSignature } from "../../ir/families/rope-table.js";
import { ropePairs } from "../../ir/ops/frequencies.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function ropeTableWgsl(params: RopeTableParams, target: Target): KernelDefinition {
  const pairs = ropePairs(params);
  return defineRowKernel(
    {
      family: "rope-table",
      params,
      signature: ropeTableSignature(params),
      template: "rope-table/pairs.wgsl.hbs",
      values: {
        pairs: pairs.length,
        frequencies: pairs.map(({ frequency }) => frequency),
        axes: pairs.map(({ axis }) => axis),
      },
      header: { names: { cos: "cosines", sin: "sines" } },
    },
    target,
  );
}
