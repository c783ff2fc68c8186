import { addDims, type Bindings, type Dim, elementCount, mulDims, type Shape } from "../../ir/dim.js";
import { byteLength } from "../../ir/dtype.js";
import { paddedK } from "../../ir/families/contract/arguments.js";
import type { FloatStorage } from "../../ir/families/contract/params.js";
import { dimOf } from "../../ir/families/contract/sizes.js";
import { FAMILIES, type FamilyName, type FamilyParams, weightsOf } from "../../ir/families/index.js";
import { dtypeOf, type Graph, type Node, STEPS, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { DeviceDType, Launch, LaunchArg } from "../../ir/program/program.js";
import type { TernaryStorage } from "../../ir/ternary/storage.js";
import { UniqueNames } from "../../ir/unique-names.js";
import type { AttentionProducts, Target } from "../../targets/target.js";
import type { Measured } from "../../templates/index.js";
import type { Placement } from "../analysis/step-invariant.js";
import type { Window } from "./elide-concat.js";
import { KernelTable, type SelectedKernel } from "./kernel-table.js";
import { columnsOf, deviceDType, type Operand, rowsOf } from "./operand.js";
import { WeightTable, type WeightTensor } from "./weights.js";

/** Why an op has no kernels, found while lowering a node; the caller collects all of them. */
export class UnsupportedOp extends Error {}

/** A buffer before memory is planned: `arena` buffers have no slot yet. */
export interface DraftBuffer {
  readonly id: string;
  readonly dtype: DeviceDType;
  readonly elements: Dim;
  readonly storage:
    | { readonly kind: "arena" | "resident" | "host" | "state" }
    | { readonly kind: "weight" | "staging"; readonly tensor: string };
  /** The value it was made for, for messages. */
  readonly label: string;
}

export interface LaunchRequest<F extends FamilyName> {
  readonly family: F;
  readonly params: FamilyParams[F];
  readonly rows: Dim;
  readonly args: readonly LaunchArg[];
  readonly scalars?: readonly Dim[];
}

/** A launch before its kernel is chosen. */
interface DraftLaunch extends Omit<Launch, "kernel" | "grid"> {
  /** The kernel's key in the table. */
  readonly wanted: string;
  /** What its grid has to cover. */
  readonly sizes: readonly Dim[];
}

/** The program under construction: buffers, kernels, weights and launches of all the graphs in it. */
export class ProgramDraft {
  readonly kernels: KernelTable;
  readonly weights: WeightTable;
  readonly buffers = new Map<string, DraftBuffer>();
  /** By phase. */
  readonly launches: Record<string, DraftLaunch[]> = { load: [], prompt: [], step: [] };
  readonly names = new UniqueNames();
  /** Buffers that weights are unpacked into, by what is unpacked and how. */
  readonly unpacked = new Map<string, string>();
  /** Buffers of tables that are held as they are stored, by their tensors. */
  readonly tables = new Map<string, string>();

  constructor(
    readonly target: Target,
    /** How the weight file holds ternary codes. */
    codes: TernaryStorage,
    measured?: Measured,
  ) {
    this.weights = new WeightTable(codes);
    this.kernels = new KernelTable(target, measured);
  }

  /** The launches, now that all are known, with kernels that are chosen for their rows at each of these sizes. */
  choose(planned: readonly Bindings[]): {
    readonly kernels: readonly SelectedKernel[];
    readonly launches: Readonly<Record<string, readonly Launch[]>>;
  } {
    const { all, byKey } = this.kernels.choose(planned);
    const chosen = ({ wanted, sizes, label, ...launch }: DraftLaunch): Launch => {
      const { kernel, definition } = byKey(wanted);
      const grid = sizes.map((size, axis) => ({ size, tile: definition.tile[axis] ?? 1 }));
      return { kernel: kernel.id, ...launch, grid, label };
    };
    const phases = Object.entries(this.launches);
    return {
      kernels: all,
      launches: Object.fromEntries(phases.map(([name, made]) => [name, made.map(chosen)])),
    };
  }
}

/** What a run has memory for. */
type RunKind = "arena" | "host" | "state";

/** What is decided about a graph before its values are placed. */
export interface LoweringPlan {
  readonly placements: ReadonlyMap<ValueId, Placement>;
  /** Values that are a part of another one's memory. */
  readonly windows: ReadonlyMap<ValueId, Window>;
  /** Concats without memory, and their operands. */
  readonly scattered: ReadonlyMap<ValueId, readonly ValueId[]>;
  /** Values that are written over another one. */
  readonly overwritten: ReadonlyMap<ValueId, ValueId>;
  /** Values stored in bf16. */
  readonly narrow: ReadonlySet<ValueId>;
  /** Inputs that updates overwrite. */
  readonly state: ReadonlySet<ValueId>;
  /** What ternary linears without quantized rows multiply. */
  readonly multiplied: FloatStorage | "f16";
  /** What attention on bf16 rows multiplies queries and keys in. */
  readonly attention: AttentionProducts;
  /** What dense matrices and convolutions may multiply, as their kernels' parameters say it. */
  readonly products: { readonly products?: "tf32" };
}

/** All values in memory of their own, all arithmetic in f32. */
export const PLAIN: Omit<LoweringPlan, "placements"> = {
  ...{ windows: new Map(), scattered: new Map(), overwritten: new Map() },
  ...{ narrow: new Set(), state: new Set() },
  ...{ multiplied: "f32", attention: "bf16", products: {} },
};

/** A graph on its way into a program: where each of its values lies. */
export class Lowering {
  readonly weights: WeightTable;
  readonly #operands = new Map<ValueId, Operand>();
  readonly #inputs: ReadonlySet<ValueId>;
  readonly #outputs: ReadonlySet<ValueId>;
  /** Phase and label of the launches being made. */
  #phase = "step";
  #label = "";

  constructor(
    readonly draft: ProgramDraft,
    readonly graph: Graph,
    readonly plan: LoweringPlan,
  ) {
    this.#inputs = new Set(graph.inputs);
    this.#outputs = new Set(graph.outputs);
    this.weights = draft.weights;
  }

  /** Launches made by `make` belong to this node: its phase, its name in messages. */
  at(node: Node, make: () => void): void {
    const [output = ""] = node.outputs;
    const role = "role" in node.attrs && typeof node.attrs.role === "string" ? node.attrs.role : null;
    this.during(this.plan.placements.get(output)?.phase ?? "step", role ?? node.op, make);
  }

  during(phase: string, label: string, make: () => void): void {
    const before = [this.#phase, this.#label] as const;
    this.#phase = phase;
    this.#label = label;
    make();
    [this.#phase, this.#label] = before;
  }

  isInput(id: ValueId): boolean {
    return this.#inputs.has(id);
  }

  isOutput(id: ValueId): boolean {
    return this.#outputs.has(id);
  }

  /** A node's operand by position; throws where it is absent. */
  input(node: Node, index: number): Operand {
    const id = node.inputs[index];
    if (typeof id !== "string") throw new UnsupportedOp(`operand ${index} is missing`);
    return this.operand(id);
  }

  optional(node: Node, index: number): Operand | null {
    const id = node.inputs[index];
    return typeof id === "string" ? this.operand(id) : null;
  }

  output(node: Node, index = 0): Operand {
    const id = node.outputs[index];
    if (id === undefined) throw new UnsupportedOp(`result ${index} is missing`);
    return this.operand(id);
  }

  /**
   * The value as launches of the current phase see it: all steps' rows in `prompt`, the row of one step in
   * `step`. Allocates its buffer the first time.
   */
  operand(id: ValueId): Operand {
    const whole = this.#whole(id);
    if (this.plan.placements.get(id)?.perStep !== true) return whole;
    const shape = shapeOf(this.graph, id);
    if (this.#phase === "prompt") return { ...whole, shape: [STEPS, ...shape.slice(1)] };
    const stepStride = shape.length === 1 ? 1 : mulDims(whole.rowStride, rowsOf(shape));
    return { ...whole, shape, stepStride };
  }

  /** Makes `id` another name of an operand. */
  alias(id: ValueId, operand: Operand): void {
    this.#operands.set(id, operand);
  }

  #whole(id: ValueId): Operand {
    const known = this.#operands.get(id);
    if (known !== undefined) return known;
    const made = this.#make(id);
    this.#operands.set(id, made);
    return made;
  }

  #make(id: ValueId): Operand {
    const shape = shapeOf(this.graph, id);
    const window = this.plan.windows.get(id);
    if (window !== undefined) {
      const of = this.#whole(window.of);
      const shift = addDims(mulDims(window.rowOffset, of.rowStride), window.columnOffset);
      return { ...of, shape, offset: addDims(of.offset, shift) };
    }
    const over = this.plan.overwritten.get(id);
    if (over !== undefined) return this.#whole(over);
    const constant = this.graph.constants.get(id);
    if (constant !== undefined) {
      const tensor = this.weights.plain(id, constant);
      const buffer = this.#buffer(`w.${tensor.name}`, deviceDType(constant.dtype), elementCount(shape), id, {
        kind: "weight",
        tensor: tensor.name,
      });
      return contiguous(buffer, deviceDType(constant.dtype), shape);
    }
    const placement = this.plan.placements.get(id);
    const kind = this.plan.state.has(id) ? "state" : this.isInput(id) ? "host" : "arena";
    return this.#allocate(
      id,
      this.#storedDType(id),
      placement?.perStep === true ? [STEPS, ...shape.slice(1)] : shape,
      shape,
      kind,
    );
  }

  #storedDType(id: ValueId): DeviceDType {
    if (this.plan.narrow.has(id)) return "bf16";
    const dtype = dtypeOf(this.graph, id);
    return dtype === "i8" ? "i8" : deviceDType(dtype);
  }

  /** A buffer of its own. Rows of int8 codes are padded as the quantizing kernels pad them. */
  #allocate(label: string, dtype: DeviceDType, stored: Shape, shape: Shape, kind: RunKind): Operand {
    const columns = columnsOf(stored);
    if (dtype === "i8" && typeof columns !== "number")
      throw new UnsupportedOp("int8 rows of a symbolic length");
    const rowStride = dtype === "i8" && typeof columns === "number" ? paddedK(columns) : columns;
    const buffer = this.#buffer(label, dtype, mulDims(rowsOf(stored), rowStride), label, { kind });
    return { buffer, dtype, shape, offset: 0, rowStride, stepStride: 0 };
  }

  /** A constant as a device holds its tensor, without a copy in another layout. */
  tableOf(id: ValueId, tensor: WeightTensor, dtype: DeviceDType): Operand {
    const shape = tensor.shape;
    const storage = { kind: "weight", tensor: tensor.name } as const;
    const known = this.draft.tables.get(tensor.name);
    const buffer = known ?? this.#buffer(`w.${tensor.name}`, dtype, elementCount(shape), id, storage);
    this.draft.tables.set(tensor.name, buffer);
    return contiguous(buffer, dtype, shape);
  }

  /** Memory for an intermediate that is no value of the graph. */
  temporary(dtype: DeviceDType, shape: Shape): Operand {
    return this.#allocate(`${this.#label}.temporary`, dtype, shape, shape, "arena");
  }

  /** Memory that is kept during a run. */
  buffer(label: string, dtype: DeviceDType, shape: Shape, kind: "host" | "state"): Operand {
    return this.#allocate(label, dtype, shape, shape, kind);
  }

  #buffer(
    wanted: string,
    dtype: DeviceDType,
    elements: Dim,
    label: string,
    storage: DraftBuffer["storage"],
  ): string {
    const id = this.draft.names.claim(wanted);
    this.draft.buffers.set(id, { id, dtype, elements, storage, label });
    return id;
  }

  /** Unpacks a weight into the layout of its gemm during `load`, once, and gives the buffer. */
  unpack<F extends "unpack-trits" | "unpack-dense" | "unpack-narrow">(
    family: F,
    params: FamilyParams[F] & { readonly n: number },
    tensor: { readonly name: string; readonly shape: readonly number[]; readonly bytes: number },
  ): LaunchArg {
    const key = `${family} ${JSON.stringify(params)} ${tensor.name}`;
    let buffer = this.draft.unpacked.get(key);
    if (buffer === undefined) {
      const staging = this.#buffer(`s.${tensor.name}`, "u8", tensor.bytes, tensor.name, {
        kind: "staging",
        tensor: tensor.name,
      });
      const { dtype, layout } = weightsOf(family, params);
      const words = layout.words[this.draft.target.language];
      buffer = this.#buffer(`d.${tensor.name}`, dtype, words, tensor.name, { kind: "resident" });
      this.draft.unpacked.set(key, buffer);
      const args = [plainArg(staging), plainArg(buffer)];
      this.during("load", tensor.name, () => this.launch({ family, params, rows: params.n, args }));
    }
    return plainArg(buffer);
  }

  launch<F extends FamilyName>({ family, params, rows, args, scalars = [] }: LaunchRequest<F>): void {
    const contract = FAMILIES[family].contract(params);
    if (contract.args.length !== args.length || contract.scalars.length !== scalars.length) {
      throw new Error(`${family}: ${args.length} arguments, ${scalars.length} scalars`);
    }
    const wanted = this.draft.kernels.want(family, params, rows, scalars);
    const sizes = contract.grid.map((size) => dimOf(size, { rows, scalars }));
    const { launches } = this.draft;
    launches[this.#phase] ??= [];
    launches[this.#phase]?.push({ wanted, sizes, rows, args, scalars, label: this.#label });
  }
}

/** Bytes of a draft buffer as a Dim. */
export function bufferBytes(buffer: Pick<DraftBuffer, "dtype" | "elements">): Dim {
  return mulDims(buffer.elements, byteLength(buffer.dtype, 1));
}

function plainArg(buffer: string): LaunchArg {
  return { buffer, offset: 0, rowStride: 0, stepStride: 0 };
}

function contiguous(buffer: string, dtype: DeviceDType, shape: Shape): Operand {
  return { buffer, dtype, shape, offset: 0, rowStride: columnsOf(shape), stepStride: 0 };
}
