import { TritcError } from "../ir/errors.js";
import type { Group } from "./pass.js";

/** Refuses groups where nothing is fitted to them: TRITC_E_GROUP. */
export function checkGroup({
  ternarize,
  group,
}: {
  readonly ternarize: string;
  readonly group?: Group | undefined;
}): void {
  if (typeof group !== "number" || (ternarize !== "none" && ternarize !== "calibrated")) return;
  throw new TritcError({
    code: "TRITC_E_GROUP",
    message: "these options do not go together",
    place: "--group",
    expected: "--ternarize exact or absmean",
    found: `--group ${group} with --ternarize ${ternarize}`,
    remedy:
      ternarize === "none"
        ? "leave one of them out"
        : "leave --group out: weights are calibrated with one scale a row",
    exitCode: 2,
  });
}
