import { boolean, type Decoder, index, list, number, object, oneOf, record } from "../../format/decode.js";
import { FLUX1_INPUTS, type Flux1Input } from "./inputs.js";

/** A FLUX.1 transformer as found by structure. */
export interface Flux1Description {
  readonly family: "flux1";
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
  readonly pooledDim: number;
  readonly guidance: boolean;
  /** What sigma and the guidance scale are multiplied with for the model: 1, or 1000 where the graph leaves that to its caller. */
  readonly timestepScale: number;
  readonly guidanceScale: number;
  /** Channels of a head that each id axis rotates; sums to headDim. */
  readonly ropeAxes: readonly number[];
  readonly ropeTheta: number;
  /** Graph input → the part it plays. */
  readonly roles: Readonly<Record<string, Flux1Input>>;
  /** Parameters of the whole graph and of the block linears (weights only), and their ratio. */
  readonly parameters: number;
  readonly blockLinearWeights: number;
}

const PARTS = Object.keys(FLUX1_INPUTS) as Flux1Input[];

export const flux1Description: Decoder<Flux1Description> = object<Flux1Description>({
  family: oneOf("flux1"),
  doubleBlocks: index,
  singleBlocks: index,
  hidden: index,
  heads: index,
  headDim: index,
  mlpWidth: index,
  inChannels: index,
  outChannels: index,
  contextDim: index,
  pooledDim: index,
  guidance: boolean,
  timestepScale: number,
  guidanceScale: number,
  ropeAxes: list(index),
  ropeTheta: number,
  roles: record(oneOf(...PARTS)),
  parameters: index,
  blockLinearWeights: index,
});
