import { unreadType } from "../../../ir/format/safetensors.js";
import { checkpointError } from "../../checkpoint/errors.js";
import type { FluxConfig } from "./config.js";
import type { FoundTransformer } from "./landmarks.js";
import type { FluxSizes } from "./sizes.js";

/** What no tensor says. */
export interface Untold extends Pick<FluxSizes, "ropeAxes" | "ropeTheta" | "epsilon"> {
  readonly title: string;
}

/**
 * Sizes of a transformer: what its configuration says, where there is one, and the rest from its tensors. Without a
 * configuration heads have to be those of the family, since no tensor says how they are rotated. Throws TRITC_E_CHECKPOINT.
 */
export function sizesOf(
  found: FoundTransformer,
  config: FluxConfig | undefined,
  { title, ...untold }: Untold,
  place: string,
): FluxSizes {
  const shapes = new Shapes(found, place);
  const { spelling } = found;
  const [hidden, inChannels] = shapes.matrix(spelling.latents);
  const [timeWidth, frequencies] = shapes.matrix(spelling.time);
  const timeLayers = spelling.timeLayers === undefined ? 0 : shapes.blocks(spelling.timeLayers);
  const [beforeMlp, before] = spelling.singleMlp;
  const mlpRows =
    shapes.rows(spelling.doubleMlp) ?? Math.max(0, (shapes.rows(beforeMlp) ?? 0) - before * hidden);
  const mlpWidth = Math.floor(mlpRows / spelling.mlpRows);
  if (config !== undefined) return { ...config, mlpWidth, frequencies, timeWidth, timeLayers };
  const headDim = spelling.headNorms.map((name) => shapes.rows(name)).find((rows) => rows !== undefined) ?? 0;
  const rotated = untold.ropeAxes.reduce((sum, d) => sum + d, 0);
  if (headDim !== rotated || hidden % headDim !== 0) {
    throw checkpointError({
      place,
      message: `the checkpoint does not have the heads of ${title}, and no configuration says how they are rotated`,
      expected: `heads of ${rotated} channels`,
      found: headDim === 0 ? `no ${spelling.headNorms[0]}` : `heads of ${headDim} in ${hidden} channels`,
      remedy: "put the model's config.json beside it, or give the model as a Diffusers folder",
    });
  }
  return {
    doubleBlocks: shapes.blocks(spelling.doubleBlocks),
    singleBlocks: shapes.blocks(spelling.singleBlocks),
    heads: hidden / headDim,
    headDim,
    mlpWidth,
    inChannels,
    outChannels: shapes.matrix(spelling.output)[0],
    contextDim: shapes.matrix(spelling.context)[1],
    pooledDim: spelling.pooled === undefined ? null : shapes.matrix(spelling.pooled)[1],
    frequencies,
    timeWidth,
    timeLayers,
    guidance: shapes.has(spelling.guidance),
    ...untold,
  };
}

class Shapes {
  constructor(
    readonly found: FoundTransformer,
    readonly place: string,
  ) {}

  has(name: string): boolean {
    return this.found.tensors.constants.has(name);
  }

  rows(name: string): number | undefined {
    return this.found.tensors.constants.get(name)?.shape[0];
  }

  matrix(name: string): readonly [number, number] {
    const { constants, unread } = this.found.tensors;
    const shape = constants.get(name)?.shape;
    const [rows, columns] = shape ?? [];
    if (rows !== undefined && columns !== undefined && shape?.length === 2) return [rows, columns];
    const unreadAs = unread.get(name);
    if (unreadAs !== undefined) throw unreadType(`${this.place}: ${name}`, unreadAs);
    throw checkpointError({
      place: `${this.place}: ${name}`,
      message: "the checkpoint lacks a tensor that says how large the model is",
      expected: "a matrix",
      found: shape === undefined ? "no such tensor" : `[${shape.join(", ")}]`,
      remedy: "download the file again",
    });
  }

  /** One more than the highest number of a block. */
  blocks(folder: string): number {
    const pattern = new RegExp(`^${folder}\\.(\\d{1,4})\\.`);
    let count = 0;
    for (const name of this.found.tensors.constants.keys()) {
      const number = pattern.exec(name)?.[1];
      if (number !== undefined) count = Math.max(count, Number(number) + 1);
    }
    return count;
  }
}
