import type { SearchContext } from "../../compiler/tune/search-context.js";
import { makeVariant } from "../../compiler/tune/variants.js";
import type { Target } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";

/** One of so many candidates: all of them are tried long before a minute is over, however busy the machine is. */
export function candidatesOneIn(count: number, target: Target): SearchContext["variant"] {
  return async (subject, config) => {
    const at = subject.candidates.findIndex((candidate) => keyOf(candidate) === keyOf(config));
    return at % count <= 0 ? makeVariant(subject, config, target, undefined) : undefined;
  };
}
