/** Sizes of a FLUX.1 transformer, from which the shape of each of its tensors follows. */
export interface FluxSizes {
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  readonly heads: number;
  readonly headDim: number;
  readonly mlpWidth: number;
  readonly inChannels: number;
  /** Channels of the output, all of a patch. */
  readonly outChannels: number;
  readonly contextDim: number;
  readonly pooledDim: number;
  /** Channels of the sinusoids of timestep and guidance. */
  readonly frequencies: number;
  readonly guidance: boolean;
  readonly ropeAxes: readonly number[];
}

/** FLUX.1 has one base for all of its rotations; no configuration states it. */
export const ROPE_THETA = 10000;
/** What its rotations split a head of 128 channels into. */
export const ROPE_AXES: readonly number[] = [16, 56, 56];

/** [out, in] of the linear of a role (see `modules.ts`). */
export function linearShape(sizes: FluxSizes, role: string): readonly [number, number] {
  const hidden = sizes.heads * sizes.headDim;
  const single = role.startsWith("single.");
  const leaf = role.replace(/^double\.\d+\.(img|txt)\.|^single\.\d+\./, "");
  switch (leaf) {
    case "q":
    case "k":
    case "v":
    case "norm_out.scale":
    case "norm_out.shift":
    case "time_in.1":
    case "guidance_in.1":
    case "vector_in.1":
      return [hidden, hidden];
    case "out":
      return [hidden, single ? hidden + sizes.mlpWidth : hidden];
    case "modulation":
      return [(single ? 3 : 6) * hidden, hidden];
    case "mlp.up":
      return [sizes.mlpWidth, hidden];
    case "mlp.down":
      return [hidden, sizes.mlpWidth];
    case "x_embedder":
      return [hidden, sizes.inChannels];
    case "context_embedder":
      return [hidden, sizes.contextDim];
    case "time_in.0":
    case "guidance_in.0":
      return [hidden, sizes.frequencies];
    case "vector_in.0":
      return [hidden, sizes.pooledDim];
    case "proj_out":
      return [sizes.outChannels, hidden];
    default:
      throw new Error(`there is no linear ${role}`);
  }
}
