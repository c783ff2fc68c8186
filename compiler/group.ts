import { TritcError } from "../ir/errors.js";
import type { GroupSize } from "../ir/ternary/groups.js";
import type { Group } from "./pass.js";

/** The groups of weights that are fitted anew: rows, unless a size is given. */
export function newGroups(group: Group | undefined): GroupSize | null {
  return typeof group === "number" ? group : null;
}

/** Refuses groups where nothing is fitted to them: TRITC_E_GROUP. */
export function checkGroup({
  ternarize,
  group,
}: {
  readonly ternarize: string;
  readonly group?: Group | undefined;
}): void {
  if (typeof group !== "number" || ternarize !== "none") return;
  throw new TritcError({
    code: "TRITC_E_GROUP",
    message: "these options do not go together",
    place: "--group",
    expected: "--ternarize exact, absmean or calibrated",
    found: `--group ${group} with --ternarize ${ternarize}`,
    remedy: "leave one of them out",
    exitCode: 2,
  });
}
