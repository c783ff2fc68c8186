import { type Bindings, evaluateDim, symbolsOf } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import { MANIFEST_FILE, type Manifest } from "../../ir/format/manifest.js";
import type { Program } from "../../ir/program/program.js";
import type { Sampling } from "../../ir/sampling/sampling.js";
import type { Bundle } from "../../runtime/bundle.js";
import type { OpenedBundle } from "../../runtime/node/bundle.js";
import { sizesOf } from "../drawing.js";
import { NETWORK_NAMES, type NetworkName } from "../networks/part.js";
import { LATENT_HEIGHT, LATENT_WIDTH } from "../networks/vae/picture-builder.js";

/** A program of a bundle: its own, or that of a network of its pipeline. */
export interface BundleProgram {
  readonly name: "transformer" | "model" | NetworkName;
  /** Its folder in the bundle: empty, or with a slash at its end. */
  readonly path: string;
  readonly bundle: Pick<Bundle, "manifest" | "program" | "code" | "weights">;
  /** Values of the program's symbols at each size that the bundle was planned for. */
  readonly sizes: readonly Bindings[];
  /** How often it runs while a picture of the first size is drawn, as far as nobody asks for more than one pass a step. */
  readonly runs: number;
}

/**
 * The programs of a bundle that are named, or all that take part in drawing a picture from text. Throws TRITC_E_TUNING for a name that
 * it does not have.
 */
export async function programsOf(
  bundle: OpenedBundle,
  names?: readonly string[],
): Promise<readonly BundleProgram[]> {
  const { manifest } = bundle;
  const { sampling } = manifest;
  const own: BundleProgram = {
    ...{ name: manifest.model === null ? "model" : "transformer", path: "", bundle },
    ...{ sizes: plannedBindings(manifest), runs: sampling?.steps ?? 1 },
  };
  const networks = NETWORK_NAMES.filter((name) => bundle.has(`${pathOf(name)}${MANIFEST_FILE}`));
  const known = [own.name, ...networks];
  const stranger = names?.find((name) => !known.some((other) => other === name));
  if (stranger !== undefined) throw noNetwork(stranger, known);
  const programs: BundleProgram[] = names?.includes(own.name) === false ? [] : [own];
  for (const name of networks) {
    if (names === undefined ? name === "vae_encoder" && !readsPictures(sampling) : !names.includes(name))
      continue;
    programs.push(await networkOf(name, bundle));
  }
  return programs;
}

function pathOf(name: NetworkName): string {
  return `pipeline/${name}/`;
}

/** Whether the model draws after pictures, which the VAE's encoder is for. */
function readsPictures(sampling: Sampling | null): boolean {
  return sampling !== null && (sampling.condition ?? "none") !== "none";
}

/** A network with the sizes that the bundle around it was planned for. */
async function networkOf(name: NetworkName, outer: OpenedBundle): Promise<BundleProgram> {
  const bundle = await outer.openBelow(pathOf(name).slice(0, -1));
  const { program, manifest } = bundle;
  const { sampling, resolutions } = outer.manifest;
  const planned = resolutions.map(({ width, height }) => {
    const pixels = pixelsPerLatent(program);
    return {
      tokens: sampling?.textLength ?? 1,
      height: Math.ceil(height / pixels),
      width: Math.ceil(width / pixels),
    };
  });
  const { latents = Number.POSITIVE_INFINITY, overlap = 0 } = manifest.tiles ?? {};
  const sizes = planned.map(({ tokens, height, width }) => {
    const known: Bindings = {
      tokens,
      [LATENT_HEIGHT]: Math.min(height, latents),
      [LATENT_WIDTH]: Math.min(width, latents),
    };
    // Networks are compiled for one sample.
    return Object.fromEntries(program.symbols.map((symbol) => [symbol, known[symbol] ?? 1]));
  });
  const [{ height, width } = { height: 1, width: 1 }] = planned;
  const tilesAlong = (side: number) =>
    side <= latents ? 1 : Math.ceil(side / Math.floor(latents * (1 - overlap)));
  const runs = Math.max(height, width) <= latents ? 1 : tilesAlong(height) * tilesAlong(width);
  return { name, path: pathOf(name), bundle, sizes: sizes.length === 0 ? [{}] : sizes, runs };
}

/** Pixels along a side of a latent, by the sides of a VAE's pictures and latents; 1 of other networks. */
function pixelsPerLatent({ inputs, outputs }: Program): number {
  const sides = [...inputs, ...outputs].flatMap(({ shape }) =>
    shape.filter((dim) => symbolsOf(dim).includes(LATENT_HEIGHT)),
  );
  return Math.max(1, ...sides.map((dim) => evaluateDim(dim, { [LATENT_HEIGHT]: 1 })));
}

/** Values of a program's symbols at each size that a bundle was planned for. */
function plannedBindings({
  resolutions,
  sampling,
}: Pick<Manifest, "resolutions" | "sampling">): readonly Bindings[] {
  return sampling === null ? [{}] : resolutions.map((resolution) => sizesOf({ sampling }, resolution));
}

function noNetwork(name: string, known: readonly string[]): TritcError {
  return new TritcError({
    code: "TRITC_E_TUNING",
    message: "the bundle has no compiled network of this name",
    place: `--network ${name}`,
    expected: known.join(", "),
    found: name,
    remedy: "name one of these, or leave the option out",
    exitCode: 2,
  });
}
