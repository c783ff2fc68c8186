/** Sizes of a transformer of double and single blocks, from which the shape of each of its tensors follows. */
export interface FluxSizes {
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  readonly heads: number;
  readonly headDim: number;
  /** Channels that the second linear of an MLP reads. */
  readonly mlpWidth: number;
  readonly inChannels: number;
  /** Channels of the output, all of a patch. */
  readonly outChannels: number;
  readonly contextDim: number;
  /** Width of the summary of the text; null where the model reads none. */
  readonly pooledDim: number | null;
  /** Channels that the first layer reads of timestep and guidance, and those it has. */
  readonly frequencies: number;
  readonly timeWidth: number;
  /** Residual layers behind it that all modulations come from; 0 where blocks have their own. */
  readonly timeLayers: number;
  readonly guidance: boolean;
  readonly ropeAxes: readonly number[];
  readonly ropeTheta: number;
  /** Of every norm. */
  readonly epsilon: number;
}

/** What a role is in its block or stream: `q` of `double.3.img.q`. */
export function leafOf(role: string): string {
  return role.replace(/^double\.\d+\.(img|txt)\.|^single\.\d+\./, "");
}

/** [out, in] of the linear of a role that every family has. */
export function linearShape(sizes: FluxSizes, role: string): readonly [number, number] {
  const hidden = sizes.heads * sizes.headDim;
  switch (leafOf(role)) {
    case "q":
    case "k":
    case "v":
    case "norm_out.scale":
    case "norm_out.shift":
    case "time_in.1":
    case "guidance_in.1":
      return [hidden, hidden];
    case "out":
      return [hidden, role.startsWith("single.") ? hidden + sizes.mlpWidth : hidden];
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
    case "proj_out":
      return [sizes.outChannels, hidden];
    default:
      throw new Error(`there is no linear ${role}`);
  }
}

/** Channels of a norm's weight: those of a head, or of a layer behind the timestep. */
export function vectorLength({ headDim, timeWidth }: FluxSizes, role: string): number {
  return role.startsWith("time_in.") ? timeWidth : headDim;
}
