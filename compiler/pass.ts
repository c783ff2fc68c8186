import type { ByteReader, Constant, TernaryMethod } from "../ir/constant/constant.js";
import type { Bindings, Dim } from "../ir/dim.js";
import type { Graph } from "../ir/graph/graph.js";
import type { Held } from "../ir/ops/held.js";
import type { GroupSize } from "../ir/ternary/groups.js";
import type { Activations } from "../targets/target.js";
import type { LosslessGroup } from "./analysis/found-group.js";

/** One graph rewrite. Pure: the same graph and options give the same result. */
export interface Pass {
  /** Kebab-case; also the name of its file. */
  readonly name: string;
  /** One line for `--help`, dumps and timings. */
  readonly summary: string;
  run(graph: Graph, context: PassContext): Graph;
}

export interface PassContext {
  /** Bytes of lazy constants. */
  readonly reader: ByteReader;
  readonly options: PassOptions;
  /** Receives one line per thing worth telling someone who debugs a model. */
  readonly log?: (line: string) => void;
}

/** How weights are quantized. */
export type Ternarize = TernaryMethod | "none";

/** Inputs that share a scale. auto: what the weights, or those that adapters change, hold without loss; else rows. */
export type Group = GroupSize | "row" | "auto";

/** What each weight of the blocks has, where that was found before. */
export type FoundGroups = ReadonlyMap<Constant, LosslessGroup>;

export interface PassOptions {
  readonly ternarize: Ternarize;
  /** Row if absent: then no weights are read. */
  readonly group?: Group | FoundGroups;
  readonly activations: Activations;
  /** What the device holds dense weights in, and tables that rows are looked up in; f32 if absent. */
  readonly weights?: Held | "f32" | undefined;
  /** Values for symbols of the source graph, such as 1 for its batch axes. */
  readonly bindings: Readonly<Record<string, Dim>>;
  /** The largest sizes the program must serve, for decisions about memory; unnamed symbols count as 1. */
  readonly sizes: Bindings;
  readonly limits: MemoryLimits;
  /** Those of ternary weights, by their codes; none if absent. */
  readonly branches?: ReadonlyMap<Constant, Branch> | undefined;
  /** Whether the target's ternary kernels normalize and rotate heads; false if absent. */
  readonly fuseHeads?: boolean;
}

/** Dense weights of low rank beside ternary ones: y = s·T·x + U·(V·x) + b. */
export interface Branch {
  /** Of its layer. */
  readonly role: string;
  /** U [out, rank] */
  readonly up: Constant;
  /** V [rank, in] */
  readonly down: Constant;
}

/** What a device can hold in one piece. */
export interface MemoryLimits {
  /** Bytes one kernel argument can see. */
  readonly maxBindingBytes: number;
  /** Bytes of one buffer. */
  readonly maxBufferBytes: number;
}

export const UNLIMITED: MemoryLimits = {
  maxBindingBytes: Number.POSITIVE_INFINITY,
  maxBufferBytes: Number.POSITIVE_INFINITY,
};
