import { roundToHalf } from "../../ir/constant/float16.js";
import { FluxLayers } from "./flux-layers.js";
import type { Name } from "./flux-writer.js";

/** cos and sin rows for x·cos + turned·sin, or the original implementation's 2x2 matrices. */
export type RopeTable = { readonly cos: Name; readonly sin: Name } | { readonly matrices: Name };

/** Heads, rotary embeddings and attention in the style asked for. */
export class FluxHeads extends FluxLayers {
  /** [B, S, H·D] → [B, S, H, D] or [B, H, S, D] */
  splitHeads(x: Name): Name {
    const { heads } = this.size;
    let shape: Name;
    if (this.style.heads === "zeros") shape = this.ints(0, 0, heads, this.headDim);
    else if (this.style.heads === "constant") shape = this.ints(1, -1, heads, this.headDim);
    else {
      const dims = [0, 1].map((axis) => this.unsqueeze(this.dimOf(x, axis), 0));
      shape = this.concat([...dims, this.ints(-1), this.ints(this.headDim)], 0);
    }
    const y = this.reshape(x, shape);
    return this.style.layout === "bhsd" ? this.transpose(y, 0, 2, 1, 3) : y;
  }

  /** q, k, v of one stream, q and k normalized. */
  projections(x: Name): [Name, Name, Name] {
    let parts: Name[];
    if (this.style.qkv !== "separate") {
      const { heads } = this.size;
      const all = this.linear(x, this.hidden, 3 * this.hidden);
      if (this.style.qkv === "fused-split") {
        parts = this.split(all, new Array(3).fill(this.hidden), -1).map((p) => this.splitHeads(p));
      } else parts = this.unpack(this.reshape(all, this.ints(0, 0, 3, heads, this.headDim)));
    } else {
      parts = [0, 1, 2].map(() => this.splitHeads(this.linear(x, this.hidden, this.hidden)));
    }
    const [q = "", k = "", v = ""] = parts;
    return [this.rmsNorm(q, this.headDim), this.rmsNorm(k, this.headDim), v];
  }

  /** [B, S, 3, H, D] → three of [B, H, S, D] or [B, S, H, D] */
  unpack(x: Name): Name[] {
    const moved =
      this.style.layout === "bhsd" ? this.transpose(x, 2, 0, 3, 1, 4) : this.transpose(x, 2, 0, 1, 3, 4);
    return [0, 1, 2].map((i) =>
      this.op("Gather", [moved, this.constant("i64", [], [i])], { axis: { i: 0 } }),
    );
  }

  get tokenAxis(): number {
    return this.style.layout === "bhsd" ? 2 : 1;
  }

  attention(q: Name, k: Name, v: Name, table: RopeTable): Name {
    const rotated = [this.rotate(q, table), this.rotate(k, table)] as const;
    const merged = this.style.attention === "contrib" || this.style.attention === "op";
    const scale = 1 / Math.sqrt(this.headDim);
    const { heads } = this.size;
    if (merged && this.style.attention === "contrib") {
      const flat = [...rotated, v].map((x) => {
        const rows = this.style.layout === "bhsd" ? this.transpose(x, 0, 2, 1, 3) : x;
        return this.reshape(rows, this.ints(0, 0, this.hidden));
      });
      return this.op("MultiHeadAttention", flat, { num_heads: { i: heads } }, "com.microsoft");
    }
    const [qh, kh, vh] = [...rotated, v].map((x) =>
      this.style.layout === "bhsd" ? x : this.transpose(x, 0, 2, 1, 3),
    ) as [Name, Name, Name];
    if (merged) return this.mergeHeads(this.op("Attention", [qh, kh, vh], { scale: { f: scale } }));
    const softmax = (x: Name) => this.op("Softmax", [x], { axis: { i: -1 } });
    const kt = this.transpose(kh, 0, 1, 3, 2);
    switch (this.style.attention) {
      case "divide": {
        const scores = this.op("Div", [this.op("MatMul", [qh, kt]), this.f(Math.sqrt(this.headDim))]);
        return this.mergeHeads(this.op("MatMul", [softmax(scores), vh]));
      }
      case "scale-scores": {
        const scores = this.mul(this.f(scale), this.op("MatMul", [qh, kt]));
        return this.mergeHeads(this.op("MatMul", [softmax(scores), vh]));
      }
      case "scale-q": {
        const scores = this.op("MatMul", [this.mul(qh, this.f(scale)), kt]);
        return this.mergeHeads(this.op("MatMul", [softmax(scores), vh]));
      }
      case "fused-matmul": {
        const attrs = { transB: { i: 1 }, alpha: { f: scale } };
        const scores = this.op("FusedMatMul", [qh, kh], attrs, "com.microsoft");
        return this.mergeHeads(this.op("MatMul", [softmax(scores), vh]));
      }
      case "einsum": {
        const products = this.op("Einsum", [qh, kh], { equation: { s: "bhqd,bhkd->bhqk" } });
        const p = softmax(this.mul(products, this.f(scale)));
        return this.mergeHeads(this.op("Einsum", [p, vh], { equation: { s: "bhqk,bhkd->bhqd" } }));
      }
      case "masked": {
        // A mask as some relatives of FLUX have: every key but the first.
        const scores = this.mul(this.op("MatMul", [qh, kt]), this.f(scale));
        const first = this.op("Gather", [scores, this.constant("i64", [1], [0])], { axis: { i: 3 } });
        const masked = this.op("Where", [this.op("Less", [first, this.f(-1e9)]), this.f(-1e9), scores]);
        return this.mergeHeads(this.op("MatMul", [softmax(masked), vh]));
      }
      case "flat-heads": {
        const flat = [qh, kh, vh].map((x) => this.reshape(x, this.ints(heads, -1, this.headDim))) as [
          Name,
          Name,
          Name,
        ];
        const scores = this.mul(
          this.op("MatMul", [flat[0], this.transpose(flat[1], 0, 2, 1)]),
          this.f(scale),
        );
        const y = this.op("MatMul", [softmax(scores), flat[2]]);
        return this.mergeHeads(this.unsqueeze(y, 0));
      }
      default: {
        const dim = this.cast(this.dimOf(qh, 3), 1);
        const root = this.op("Sqrt", [this.op("Div", [this.f(1), this.op("Sqrt", [dim])])]);
        let p = softmax(this.op("MatMul", [this.mul(qh, root), this.mul(kt, root)]));
        if (this.style.attention === "nan-guard") p = this.op("Where", [this.op("IsNaN", [p]), this.f(0), p]);
        return this.mergeHeads(this.op("MatMul", [p, vh]));
      }
    }
  }

  /** [B, H, S, D] → [B, S, H·D] */
  mergeHeads(x: Name): Name {
    const y = this.transpose(x, 0, 2, 1, 3);
    if (this.style.heads === "constant") return this.reshape(y, this.ints(1, -1, this.hidden));
    if (this.style.heads === "zeros") return this.reshape(y, this.ints(0, 0, this.hidden));
    const dims = this.op("Slice", [this.op("Shape", [y]), this.ints(0), this.ints(2), this.ints(0)]);
    return this.reshape(y, this.concat([dims, this.ints(-1)], 0));
  }

  // Rotary embeddings.

  /** Axes of the ids once they are joined. */
  get idAxes(): number {
    return this.style.idRank === 3 && !this.style.idDrop ? 3 : 2;
  }

  ropeTable(img: Name, txt: Name): RopeTable {
    const dropped = (x: Name) => this.op("Gather", [x, this.constant("i64", [], [0])], { axis: { i: 0 } });
    const drop = this.style.idRank === 3 && this.style.idDrop;
    return this.jointTable(drop ? [dropped(txt), dropped(img)] : [txt, img]);
  }

  /** The table of the ids of text and image. */
  jointTable(ids: readonly Name[]): RopeTable {
    return this.tableOf(this.concat(ids, this.idAxes - 2));
  }

  /** The table of some tokens' ids. */
  tableOf(given: Name): RopeTable {
    const { axes, theta } = this.size;
    const bent = this.style.table === "bent";
    const round = this.style.table === "half" ? roundToHalf : (v: number) => v;
    const ids = this.cast(given, this.style.table === "double" ? 11 : 1);
    const angles = axes.map((width, axis) => {
      const pick = this.constant("i64", [], [axis]);
      const positions = this.op("Gather", [ids, pick], { axis: { i: this.idAxes - 1 } });
      const table = Array.from({ length: width / 2 }, (_, j) =>
        round(theta ** ((-2 * j) / width) * (bent && j === 1 ? 1.01 : 1)),
      );
      const type = this.style.table === "double" ? "f64" : "f32";
      if (this.style.table === "einsum" && this.idAxes === 2) {
        return this.op("Einsum", [positions, this.constant(type, [table.length], table)], {
          equation: { s: "i,j->ij" },
        });
      }
      const freqs = this.constant(type, [1, table.length], table);
      return this.mul(this.unsqueeze(positions, -1), freqs);
    });
    const single = (x: Name) => (this.style.table === "double" ? this.cast(x, 1) : x);
    if (this.style.rotation === "matrices" || this.style.rotation === "matrix-product") {
      const blocks = angles.map((angle, axis) => {
        const [cos, sin] = [single(this.op("Cos", [angle])), single(this.op("Sin", [angle]))];
        const entries = [cos, this.op("Neg", [sin]), sin, cos].map((x) => this.unsqueeze(x, -1));
        const rows = this.idAxes === 2 ? [-1] : [0, -1];
        return this.reshape(this.concat(entries, -1), this.ints(...rows, (axes[axis] ?? 0) / 2, 2, 2));
      });
      const joined = this.concat(blocks, -3);
      // [1, 1, S, D/2, 2, 2] or [1, S, 1, D/2, 2, 2]
      const batched = this.idAxes === 2 ? this.unsqueeze(joined, 0) : joined;
      return { matrices: this.unsqueeze(batched, this.style.layout === "bhsd" ? 1 : 2) };
    }
    if (this.style.rotation === "operator") {
      const half = (fn: string) =>
        this.concat(
          angles.map((a) => single(this.op(fn, [a]))),
          -1,
        );
      const batched = (x: Name) => (this.idAxes === 2 ? this.unsqueeze(x, 0) : x);
      return { cos: batched(half("Cos")), sin: batched(half("Sin")) };
    }
    const joined = (fn: string) =>
      this.rowsForHeads(
        this.concat(
          angles.map((a) => this.repeated(single(this.op(fn, [a])))),
          -1,
        ),
      );
    return { cos: joined("Cos"), sin: joined("Sin") };
  }

  /** [S, D] or [B, S, D] → broadcastable over heads */
  rowsForHeads(x: Name): Name {
    const batched = this.idAxes === 2 ? this.unsqueeze(x, 0) : x;
    return this.unsqueeze(batched, this.style.layout === "bhsd" ? 1 : 2);
  }

  /** repeat_interleave(2) along the last axis */
  repeated(x: Name): Name {
    const flat = (y: Name, width: number) =>
      this.reshape(y, this.idAxes === 2 ? this.ints(-1, width) : this.ints(0, -1, width));
    const width = this.widthOfAngles();
    const rank = this.idAxes;
    switch (this.style.repeat) {
      case "stack":
        return flat(this.concat([this.unsqueeze(x, -1), this.unsqueeze(x, -1)], -1), width);
      case "expand":
        return flat(
          this.op("Expand", [this.unsqueeze(x, -1), this.ints(...new Array(rank).fill(1), 2)]),
          width,
        );
      case "tile":
        return flat(
          this.op("Tile", [this.unsqueeze(x, -1), this.ints(...new Array(rank).fill(1), 2)]),
          width,
        );
      case "gather": {
        const picks = Array.from({ length: width }, (_, i) => Math.floor(i / 2));
        return this.op("Gather", [x, this.ints(...picks)], { axis: { i: -1 } });
      }
      case "mask": {
        // Angles first; a mask of ones picks every copy.
        const first = rank === 2 ? [1, 0] : [2, 0, 1];
        const back = rank === 2 ? [1, 0] : [1, 2, 0];
        const turned = this.unsqueeze(this.transpose(x, ...first), 1);
        const copies = this.op("Expand", [turned, this.ints(1, 2, ...new Array(rank - 1).fill(1))]);
        const mask = this.constant("bool", [width / 2, 2], new Array(width).fill(1));
        const picks = this.transpose(this.op("NonZero", [mask]), 1, 0);
        return this.transpose(this.op("GatherND", [copies, picks]), ...back);
      }
    }
  }

  /** Width of the axis whose angles are being repeated: `repeated` is called for each axis in turn. */
  #axis = 0;
  widthOfAngles(): number {
    return this.size.axes[this.#axis++ % this.size.axes.length] ?? 0;
  }

  rotate(y: Name, table: RopeTable): Name {
    const { layout, rotation } = this.style;
    const x = this.wide(y);
    const heads = this.size.heads;
    const pairs =
      layout === "bhsd" ? [0, heads, -1, this.headDim / 2, 2] : [0, -1, heads, this.headDim / 2, 2];
    const back = layout === "bhsd" ? [0, heads, -1, this.headDim] : [0, -1, heads, this.headDim];
    if ("matrices" in table) {
      if (rotation === "matrix-product") {
        const column = this.unsqueeze(this.reshape(x, this.ints(...pairs)), -1);
        return this.reshape(this.op("MatMul", [table.matrices, column]), this.ints(...back));
      }
      const rows = this.reshape(x, this.ints(...pairs.slice(0, 4), 1, 2));
      const at = (v: Name, i: number) =>
        this.op("Gather", [v, this.constant("i64", [], [i])], { axis: { i: -1 } });
      const sum = this.add(
        this.mul(at(table.matrices, 0), at(rows, 0)),
        this.mul(at(table.matrices, 1), at(rows, 1)),
      );
      return this.reshape(sum, this.ints(...back));
    }
    if (rotation === "operator") {
      const turn = (v: Name) =>
        this.op("RotaryEmbedding", [v, table.cos, table.sin], { interleaved: { i: 1 } });
      if (layout === "bhsd") return turn(x);
      return this.transpose(turn(this.transpose(x, 0, 2, 1, 3)), 0, 2, 1, 3);
    }
    const neg = (v: Name) => this.op("Neg", [v]);
    let turned: Name;
    if (rotation === "slice-squeeze") {
      const y = this.reshape(x, this.ints(...pairs));
      const [a, b] = [this.squeeze(this.slice(y, 0, 1, 4), -1), this.squeeze(this.slice(y, 1, 2, 4), -1)];
      turned = this.stacked(neg(b), a, back);
    } else if (rotation === "half") {
      // The other convention of rotary embeddings, which FLUX does not have: halves instead of pairs.
      const [a = "", b = ""] = this.split(x, [this.headDim / 2, this.headDim / 2], 3);
      turned = this.concat([neg(b), a], 3);
    } else if (rotation === "split") {
      const [a = "", b = ""] = this.split(this.reshape(x, this.ints(...pairs)), [1, 1], 4);
      turned = this.reshape(this.concat([neg(b), a], -1), this.ints(...back));
    } else if (rotation === "gather") {
      const y = this.reshape(x, this.ints(...pairs));
      const at = (i: number) => this.op("Gather", [y, this.constant("i64", [], [i])], { axis: { i: 4 } });
      turned = this.stacked(neg(at(1)), at(0), back);
    } else {
      const end = 2 ** 31 - 1;
      turned = this.stacked(neg(this.slice(x, 1, end, 3, 2)), this.slice(x, 0, end, 3, 2), back);
    }
    if (rotation === "mul-first") return this.add(this.mul(table.sin, turned), this.mul(table.cos, x));
    return this.add(this.mul(x, table.cos), this.mul(turned, table.sin));
  }

  stacked(a: Name, b: Name, shape: readonly number[]): Name {
    return this.reshape(this.concat([this.unsqueeze(a, -1), this.unsqueeze(b, -1)], -1), this.ints(...shape));
  }
}
