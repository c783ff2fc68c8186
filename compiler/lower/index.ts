import type { Bindings } from "../../ir/dim.js";
import { symbolsOf } from "../../ir/dim.js";
import type { DType } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import type { FloatStorage } from "../../ir/families/contract/params.js";
import { dtypeOf, type Graph, type Node, STEPS, type ValueId } from "../../ir/graph/graph.js";
import { roleOf } from "../../ir/models/index.js";
import { portOf } from "../../ir/program/graph-ports.js";
import { allLaunches, phasesWith } from "../../ir/program/phases.js";
import type { Launch, Program, ProgramPort } from "../../ir/program/program.js";
import type { TernaryStorage } from "../../ir/ternary/storage.js";
import type { Target } from "../../targets/target.js";
import { hoistStepInvariant } from "../analysis/step-invariant.js";
import { checkLimits } from "./check-limits.js";
import { checkStored } from "./check-stored.js";
import { copy } from "./elementwise.js";
import { elideConcat } from "./elide-concat.js";
import type { SelectedKernel } from "./kernel-table.js";
import { Lowering, UnsupportedOp } from "./lowering.js";
import { columnsOf, type Operand, rowsArg, rowsOf } from "./operand.js";
import { ruleFor } from "./ops/index.js";
import { type MemoryReport, planMemory } from "./plan-memory.js";
import { scatteredRows } from "./scattered-rows.js";
import { narrowValues } from "./storage.js";
import type { WeightTensor } from "./weights.js";

export type { SelectedKernel } from "./kernel-table.js";
export type { MemoryReport } from "./plan-memory.js";
export type { StoredDType, WeightTensor } from "./weights.js";

export interface LoweringOptions {
  readonly target: Target;
  /** The largest sizes to plan memory for. */
  readonly sizes: Bindings;
  /** Axis of each graph input and output that a batch runs along; null or absent: none. */
  readonly batchAxes: ReadonlyMap<ValueId, number | null>;
  /** What activations between kernels are stored in where the kernels can; f32 if absent. */
  readonly storage?: FloatStorage;
  /** Whether attention on bf16 rows multiplies queries and keys in int8; false if absent. */
  readonly int8Attention?: boolean;
  /** How the weight file holds ternary codes; trits if absent. */
  readonly codes?: TernaryStorage;
  /** Element types of inputs and outputs in the source graph, where they are not the graph's. */
  readonly dtypes?: ReadonlyMap<ValueId, DType>;
}

export interface LoweredProgram {
  readonly program: Program;
  readonly kernels: readonly SelectedKernel[];
  readonly tensors: readonly WeightTensor[];
  readonly memory: MemoryReport;
}

/**
 * Graph → program: places every value in a buffer, turns every node into launches, and plans memory.
 * Throws TRITC_E_UNSUPPORTED_OP naming every op that no kernel family computes, and TRITC_E_BUFFER_LIMIT.
 */
export function lower(graph: Graph, options: LoweringOptions): LoweredProgram {
  const { target, sizes, storage = "f32" } = options;
  refuse(
    graph,
    graph.nodes.flatMap((node) => problemOf(graph, node)),
  );
  const placements = hoistStepInvariant(graph);
  const scattered = scatteredRows(graph, placements, options);
  const windows = elideConcat(graph, placements, scattered);
  const lowering = new Lowering(
    graph,
    target,
    placements,
    windows,
    scattered,
    storage,
    storage === "bf16" ? narrowValues(graph) : new Set(),
    options.int8Attention ?? false,
    options.codes ?? "trits",
  );

  const inputs = graph.inputs.map((id) => port(graph, id, lowering.operand(id), options));
  lowerNodes(lowering);
  const outputs = graph.outputs.map((id) => port(graph, id, outputOperand(lowering, id), options));
  const delta = advance(lowering);

  const drafts = [...lowering.buffers.values()];
  const kernels = lowering.kernels.all;
  const phases = phasesWith(lowering.launches);
  const draft = {
    buffers: drafts,
    kernels: kernels.map(({ kernel }) => kernel),
    launches: allLaunches({ phases }),
  };
  checkLimits(draft, target.limits, sizes, target.name);
  checkStored(lowering.weights.all);
  const byId = new Map(kernels.map(({ kernel }) => [kernel.id, kernel]));
  const writes = (launch: Launch, i: number) => byId.get(launch.kernel)?.args[i]?.access !== "read";
  const kept = new Set(outputs.map((output) => output.buffer));
  const { buffers, report } = planMemory(drafts, phases, writes, kept, sizes);
  const program: Program = {
    target: target.name,
    symbols: symbolsIn([...inputs, ...(delta === null ? [] : [delta])]),
    buffers,
    kernels: draft.kernels,
    phases,
    inputs: delta === null ? inputs : [...inputs, delta],
    outputs,
    model: graph.model ?? null,
  };
  return { program, kernels, tensors: lowering.weights.all, memory: report };
}

interface Problem {
  readonly node: Node;
  readonly reason: string;
}

/** What can be told of a node before anything is placed. */
function problemOf(graph: Graph, node: Node): readonly Problem[] {
  if (ruleFor(node) === undefined) return [{ node, reason: "no kernel family computes it" }];
  return shapeProblemOf(graph, node);
}

function shapeProblemOf(graph: Graph, node: Node): readonly Problem[] {
  const unknown = [...node.inputs, ...node.outputs].some(
    (id) => id !== null && graph.types.get(id)?.shape == null,
  );
  return unknown ? [{ node, reason: "a shape that depends on values computed at run time" }] : [];
}

/**
 * What passes and lowering take for granted. Throws TRITC_E_SHAPE for an input without a shape, and
 * TRITC_E_UNSUPPORTED_OP for the nodes whose shapes do not follow from those of the inputs.
 */
export function requireShapes(graph: Graph): void {
  const input = graph.inputs.find((id) => graph.types.get(id)?.shape == null);
  if (input !== undefined) {
    throw new TritcError({
      code: "TRITC_E_SHAPE",
      message: "the model does not say the shape of this input, and kernels are made for known ranks",
      place: `input ${input}`,
      expected: "a number or a name for each axis",
      found: "no shape",
      remedy: "export the model with shapes (axes may be dynamic); `tritc eval` runs the model as it is",
    });
  }
  refuse(
    graph,
    graph.nodes.flatMap((node) => shapeProblemOf(graph, node)),
  );
}

function lowerNodes(lowering: Lowering): void {
  const problems: Problem[] = [];
  for (const node of lowering.graph.nodes) {
    const rule = ruleFor(node);
    if (rule === undefined) continue;
    try {
      lowering.at(node, () => rule(lowering));
    } catch (error) {
      if (!(error instanceof UnsupportedOp)) throw error;
      problems.push({ node, reason: error.message });
    }
  }
  refuse(lowering.graph, problems);
}

/** One error for all of a model's problems. */
function refuse(graph: Graph, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map(({ node, reason }) => `${node.op} ${node.name ?? node.outputs[0]}: ${reason}`);
  throw new TritcError({
    code: "TRITC_E_UNSUPPORTED_OP",
    message: `${problems.length} operations have no kernels`,
    place: graph.name,
    found: lines.slice(0, 40).join("; "),
    remedy: "`tritc eval` on the ONNX file runs them in the interpreter",
  });
}

/** A graph output in a buffer of its own; one that is an input or a constant is copied. */
function outputOperand(lowering: Lowering, id: ValueId): Operand {
  const operand = lowering.operand(id);
  const { graph } = lowering;
  if (!lowering.isInput(id) && !graph.constants.has(id)) return operand;
  const out = lowering.temporary(operand.dtype, operand.shape);
  lowering.during("step", id, () => copy(lowering, operand, out));
  return out;
}

function port(graph: Graph, id: ValueId, { buffer }: Operand, options: LoweringOptions): ProgramPort {
  const { name, role, shape } = portOf(graph, id);
  const dtype = options.dtypes?.get(id) ?? dtypeOf(graph, id);
  return { name, role, buffer, dtype, shape, batchAxis: options.batchAxes.get(id) ?? null };
}

/**
 * Euler's step on the device: latents += (σ[i+1] − σ[i])·velocity. Where the model reads more channels than it
 * predicts (inpainting), the first channels are the sample.
 */
function advance(lowering: Lowering): ProgramPort | null {
  const { graph } = lowering;
  const latents = graph.inputs.find((id) => roleOf(graph.model, id) === "latents");
  const [velocity] = graph.outputs;
  if (graph.model === undefined || latents === undefined || velocity === undefined) return null;
  const dt = lowering.hostBuffer("sigma_delta", "f32", [STEPS]);
  const x = lowering.operand(latents);
  const v = lowering.operand(velocity);
  const c = columnsOf(v.shape);
  if (typeof c !== "number") return null;
  lowering.during("advance", "euler-step", () =>
    lowering.launch({
      family: "euler-step",
      params: { c },
      rows: rowsOf(v.shape),
      args: [rowsArg(x), rowsArg(v), { ...rowsArg(dt), rowStride: 0, stepStride: 1 }],
    }),
  );
  return {
    name: "sigma_delta",
    role: "sigma-delta",
    buffer: dt.buffer,
    dtype: "f32",
    shape: [STEPS],
    batchAxis: null,
  };
}

/** Symbols of the ports in order of appearance, `steps` last. */
function symbolsIn(ports: readonly ProgramPort[]): readonly string[] {
  const names = new Set(ports.flatMap((p) => p.shape.flatMap(symbolsOf)));
  const hasSteps = names.delete(String(STEPS));
  return [...names, ...(hasSteps ? [String(STEPS)] : [])];
}
