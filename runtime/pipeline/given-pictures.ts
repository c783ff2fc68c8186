/** The pictures that a caller gives, and which of them a model takes. */
import { TritcError } from "../../ir/errors.js";
import type { Condition } from "../../ir/sampling/sampling.js";
import type { Picture } from "./picture.js";

/** The pictures of a request. */
export interface Pictures {
  /** Canny and Depth models: what the picture follows, edges or a depth map. */
  readonly control?: Picture | undefined;
  /**
   * Fill models: the picture to draw into. Kontext and FLUX.2: the picture, or pictures, to draw after. Others: the picture
   * to begin with.
   */
  readonly image?: Picture | readonly Picture[] | undefined;
  /** Fill models, and models that begin with `image`: white where to draw. */
  readonly mask?: Picture | undefined;
}

/** A request, as far as pictures go; of whatever form they are in. */
interface Given {
  readonly control?: unknown;
  readonly image?: unknown;
  readonly mask?: unknown;
  readonly strength?: unknown;
}

const NAMES = ["control", "image", "mask", "strength"] as const;
type Name = (typeof NAMES)[number];

interface Form {
  readonly needed: readonly Name[];
  readonly allowed: readonly Name[];
  readonly says: string;
}

const FORMS: Readonly<Record<Condition, Form>> = {
  none: {
    needed: [],
    allowed: ["image", "mask", "strength"],
    says: "this model draws from a prompt, and may begin with a picture",
  },
  control: {
    needed: ["control"],
    allowed: [],
    says: "this model (Canny, Depth) draws after a control picture",
  },
  fill: {
    needed: ["image", "mask"],
    allowed: ["strength"],
    says: "this model (Fill) draws into a picture, where a mask is white",
  },
  reference: {
    needed: [],
    allowed: ["image"],
    says: "this model (Kontext, FLUX.2) draws from a prompt, and may draw after pictures",
  },
};

/**
 * Refuses pictures that the model does not take, too many of them, and a model that lacks one. Throws TRITC_E_CONDITION.
 *
 * @param most pictures that a model takes to draw after
 */
export function requireConditions(condition: Condition, given: Given, place: string, most = 1): void {
  const { needed, allowed, says } = FORMS[condition];
  const images = Array.isArray(given.image) ? given.image.length : given.image === undefined ? 0 : 1;
  const found = NAMES.filter((name) => (name === "image" ? images > 0 : given[name] !== undefined));
  const extra = found.filter((name) => !needed.includes(name) && !allowed.includes(name));
  const lonely = images === 0 && extra.length === 0 && (found.includes("mask") || found.includes("strength"));
  const lacks =
    lonely && !needed.includes("image") ? ["image"] : needed.filter((name) => !found.includes(name));
  const tooMany = images > most;
  if (extra.length === 0 && lacks.length === 0 && !tooMany) return;
  const options = (names: readonly string[]) => names.map((name) => `--${name}`).join(" and ");
  const may =
    allowed.length === 0
      ? ""
      : `${needed.length === 0 ? "nothing, or" : ", or with"} ${allowed.map((name) => `--${name}`).join(", ")}`;
  throw new TritcError({
    code: "TRITC_E_CONDITION",
    message: says,
    place,
    expected: tooMany ? `at most ${most} of --image` : `${options(needed)}${may}`,
    found: tooMany ? String(images) : found.length === 0 ? "no picture" : options(found),
    remedy: lacks.length > 0 ? `give ${options(lacks)}` : `leave ${tooMany ? "some" : options(extra)} out`,
    exitCode: 2,
  });
}

/** One or several, as several. */
export function listOf<T extends object>(given: T | readonly T[] | undefined): readonly T[] {
  if (given === undefined) return [];
  return isList(given) ? given : [given];
}

function isList<T>(given: T | readonly T[]): given is readonly T[] {
  return Array.isArray(given);
}
