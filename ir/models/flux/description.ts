import { boolean, type Decoder, index, list, number, oneOf, record } from "../../format/decode.js";
import type { FluxInput } from "./inputs.js";

/** What is told of every transformer of double and single blocks, as found by structure. */
export interface FluxDescription {
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  /** Width of the residual stream. */
  readonly hidden: number;
  readonly heads: number;
  readonly headDim: number;
  readonly mlpWidth: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly contextDim: number;
  readonly guidance: boolean;
  /** What sigma and the guidance scale are multiplied with for the model: 1, or 1000 where the graph leaves that to its caller. */
  readonly timestepScale: number;
  readonly guidanceScale: number;
  /** Channels of a head that each id axis rotates; sums to headDim. */
  readonly ropeAxes: readonly number[];
  readonly ropeTheta: number;
  /** Graph input → the part it plays. */
  readonly roles: Readonly<Record<string, FluxInput>>;
  /** Parameters of the whole graph and of the block linears (weights only), and their ratio. */
  readonly parameters: number;
  readonly blockLinearWeights: number;
}

type Decoders = { readonly [K in keyof FluxDescription]: Decoder<FluxDescription[K]> };

/** @param parts that inputs of the family play */
export const fluxDescription = (parts: Readonly<Partial<Record<FluxInput, unknown>>>): Decoders => ({
  doubleBlocks: index,
  singleBlocks: index,
  hidden: index,
  heads: index,
  headDim: index,
  mlpWidth: index,
  inChannels: index,
  outChannels: index,
  contextDim: index,
  guidance: boolean,
  timestepScale: number,
  guidanceScale: number,
  ropeAxes: list(index),
  ropeTheta: number,
  roles: record(oneOf(...(Object.keys(parts) as FluxInput[]))),
  parameters: index,
  blockLinearWeights: index,
});
