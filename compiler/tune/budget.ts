/** A kernel that time is divided for. */
export interface Claim {
  /** Seconds of its launches while a picture is drawn. */
  readonly share: number;
  /** Seconds without which nothing comes of it. */
  readonly least: number;
}

/** The most of the time that may go to giving each the least that it needs. */
const LEAST_SHARE = 0.3;

/**
 * Of so many seconds the part of the first of several kernels, those that take longest first. Where all can have the least that they need,
 * they have it, and of the rest as much as they have of the time of all. Where they cannot, each has its part of the whole, or what it
 * needs if that is not much more; undefined where it is, and the others have its time.
 */
export function partOf(claims: readonly Claim[], seconds: number): number | undefined {
  const [first] = claims;
  if (first === undefined || seconds <= 0) return undefined;
  const sum = claims.reduce((total, { share }) => total + share, 0);
  const least = leastOf(claims);
  const share = sum === 0 ? 1 / claims.length : first.share / sum;
  if (least <= LEAST_SHARE * seconds) return first.least + share * (seconds - least);
  const own = share * seconds;
  const part = Math.max(own, first.least);
  return part <= 2 * own || part <= seconds / 2 ? part : undefined;
}

/** Seconds that are enough for all. */
export function enoughFor(claims: readonly Claim[]): number {
  return leastOf(claims) / LEAST_SHARE;
}

function leastOf(claims: readonly Claim[]): number {
  return claims.reduce((total, claim) => total + claim.least, 0);
}
