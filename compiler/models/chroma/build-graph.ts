import type { Dim } from "../../../ir/dim.js";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { TXT_TOKENS } from "../../../ir/models/index.js";
import type { OpAttrs } from "../../../ir/ops/index.js";
import { intsConstant } from "../../rewrite/values.js";
import { BATCH } from "../flux/graph-builder.js";
import type { FluxSizes } from "../flux/sizes.js";
import type { FluxWeights } from "../flux/weights.js";
import { Flux1Graph } from "../flux1/build-graph.js";
import { rowChannels } from "./row-channels.js";
import { modulationRows } from "./sizes.js";

/** A Chroma transformer as model operations. */
export function chromaGraph(name: string, sizes: FluxSizes, weights: FluxWeights): Graph {
  return new ChromaGraph(sizes, weights).build(name);
}

/**
 * What the scores of masked text lose: Diffusers' ChromaPipeline adds the outer product of a mask of ones and zeros to the scores.
 */
const MASK_LOSS = 1;

/** FLUX.1's blocks, with rows of one table as modulations, and a mask of the text. */
class ChromaGraph extends Flux1Graph {
  readonly #sizes: FluxSizes;
  /** All rows side by side: of single blocks, of double blocks' image stream, of their text stream, of the last norm. */
  #table: ValueId = "";
  #mask: ValueId = "";

  constructor(sizes: FluxSizes, weights: FluxWeights) {
    super(sizes, weights);
    this.#sizes = sizes;
  }

  protected override condition(timestep: ValueId): void {
    this.#mask = this.input("attention_mask", [BATCH, TXT_TOKENS]);
    const { frequencies, timeLayers } = this.#sizes;
    const rows = modulationRows(this.#sizes);
    const quarter = frequencies / 4;
    const sinusoid = this.#shaped("reshape", this.sinusoid("time_in.sinusoid", timestep, quarter), [
      BATCH,
      1,
      quarter,
    ]);
    const own = this.constant("time_in.rows", rowChannels(rows, quarter, 2 * quarter));
    const parts = [
      this.#shaped("expand", sinusoid, [BATCH, rows, quarter]),
      this.#shaped("expand", own, [BATCH, rows, 3 * quarter]),
    ];
    let x = this.linear("time_in.first", this.node("time_in.channels", "concat", parts, { axis: 2 }));
    for (let i = 0; i < timeLayers; i++) {
      const layer = this.embedder(`time_in.${i}`, this.normalized(`time_in.${i}`, x, 0));
      x = this.node(`time_in.${i}.sum`, "binary", [x, layer], { fn: "add" });
    }
    this.#table = this.#shaped("reshape", this.linear("time_in.last", x), [BATCH, rows * this.hidden]);
  }

  protected override attended(
    id: ValueId,
    heads: readonly [q: ValueId, k: ValueId, v: ValueId],
    attrs: OpAttrs["attention"],
  ): ValueId {
    return this.node(id, "attention", [...heads, null, this.#mask], { ...attrs, maskLoss: MASK_LOSS });
  }

  #shaped(op: "reshape" | "expand", x: ValueId, shape: readonly Dim[]): ValueId {
    const id = `${x}.${op}`;
    const inputs = [x, this.constant(`${id}.shape`, intsConstant(shape))];
    return op === "expand" ? this.node(id, op, inputs, {}) : this.node(id, op, inputs, { allowZero: false });
  }

  protected override modulation(prefix: string, count: number): readonly ValueId[] {
    const { doubleBlocks, singleBlocks } = this.#sizes;
    const [kind, block, stream] = prefix.split(".");
    const before = kind === "single" ? 0 : 3 * singleBlocks + (stream === "txt" ? 6 * doubleBlocks : 0);
    return this.#rows(prefix, before + count * Number(block), count);
  }

  protected override outModulation(): readonly ValueId[] {
    return this.#rows("norm_out", modulationRows(this.#sizes) - 2, 2);
  }

  #rows(prefix: string, from: number, count: number): readonly ValueId[] {
    return Array.from({ length: count }, (_, i) =>
      this.channels(`${prefix}.modulation.${i}`, this.#table, (from + i) * this.hidden),
    );
  }
}
