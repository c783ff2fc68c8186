import { join } from "node:path";
import type { ByteReader } from "../ir/constant/constant.js";
import type { Graph } from "../ir/graph/graph.js";
import type { WorkFolder } from "./bundle/work-folder.js";
import type { CompileOptions } from "./compile-options.js";
import { findGroups } from "./find-groups.js";
import { calibratedModel } from "./gptq/calibrated.js";
import { newGroups } from "./group.js";
import { ternarizedBy } from "./passes/ternarize.js";
import { residualModel } from "./residual/residual.js";

/**
 * How the weights of a recognized graph become ternary: groups that were found in them, codes rounded with a calibration, branches
 * for what is lost. What is rounded and found is planned here, in files of known layout, and filled in later. Throws the errors of
 * `calibratedModel` and `residualModel`.
 */
export async function ternaryPlan(
  recognized: Graph,
  reader: ByteReader,
  options: CompileOptions,
  work: Pick<WorkFolder, "prepared">,
) {
  const { calibration, ternarize, residualRank: rank = 0 } = options;
  const groups =
    ternarize === "exact" || ternarize === "absmean"
      ? await findGroups(recognized, reader, options.group ?? "auto", (done, total) => {
          options.signal?.throwIfAborted();
          options.onProgress?.({ phase: "groups", done, total });
        })
      : undefined;
  const calibrated =
    calibration === undefined || ternarize !== "calibrated"
      ? undefined
      : await calibratedModel(recognized, calibration, work.prepared, newGroups(options.group));
  const ternary = calibrated?.graph ?? recognized;
  const branched =
    rank === 0 || ternarize === "none"
      ? undefined
      : await residualModel(
          recognized,
          ternarize === "calibrated" ? ternary : ternarizedBy(recognized, reader, ternarize, groups),
          { rank, calibration, prepared: join(work.prepared, "residual") },
        );
  if (branched !== undefined && branched.without.length > 0)
    options.onNotice?.(
      `too small for a branch of rank ${rank}, and without one: ${branched.without.join(", ")}`,
    );
  const residual = branched === undefined ? undefined : { ...branched, rank };
  return { groups, calibrated, residual, graph: residual?.graph ?? ternary };
}
