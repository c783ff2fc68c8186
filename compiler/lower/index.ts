import type { Bindings } from "../../ir/dim.js";
import { symbolsOf } from "../../ir/dim.js";
import type { DType } from "../../ir/dtype.js";
import type { FloatStorage } from "../../ir/families/contract/params.js";
import { dtypeOf, type Graph, STEPS, type ValueId } from "../../ir/graph/graph.js";
import { portOf } from "../../ir/program/graph-ports.js";
import { allLaunches, phasesWith } from "../../ir/program/phases.js";
import type { Launch, Program, ProgramPort } from "../../ir/program/program.js";
import type { TernaryStorage } from "../../ir/ternary/storage.js";
import type { AttentionProducts, Target } from "../../targets/target.js";
import type { Measured } from "../../templates/index.js";
import { hoistStepInvariant } from "../analysis/step-invariant.js";
import { checkLimits } from "./check-limits.js";
import { checkStored } from "./check-stored.js";
import { copy } from "./elementwise.js";
import { elideConcat } from "./elide-concat.js";
import type { SelectedKernel } from "./kernel-table.js";
import { Lowering, ProgramDraft } from "./lowering.js";
import { narrowValues } from "./narrow-values.js";
import { lowerNodes, requireKernels } from "./nodes.js";
import type { Operand } from "./operand.js";
import { overwritten } from "./overwritten.js";
import { type MemoryReport, planMemory } from "./plan-memory.js";
import { scatteredRows } from "./scattered-rows.js";
import { lowerUpdates, sampleOf } from "./updates.js";
import type { WeightTensor } from "./weights.js";

export type { SelectedKernel } from "./kernel-table.js";
export { requireShapes } from "./nodes.js";
export type { MemoryReport } from "./plan-memory.js";
export type { StoredDType, WeightTensor } from "./weights.js";

export interface LoweringOptions {
  readonly target: Target;
  /** The largest sizes to plan memory for. */
  readonly sizes: Bindings;
  /** All sizes that kernels are chosen for; the largest alone if absent. */
  readonly planned?: readonly Bindings[];
  /** Axis of each graph input and output that a batch runs along; null or absent: none. */
  readonly batchAxes: ReadonlyMap<ValueId, number | null>;
  /** What activations between kernels are stored in where the kernels can; f32 if absent. */
  readonly storage?: FloatStorage;
  /** Whether ternary linears without quantized rows round them to f16, where they are stored in f32. */
  readonly half?: boolean;
  /** What attention on bf16 rows multiplies queries and keys in; bf16 if absent. */
  readonly attention?: AttentionProducts;
  /** What dense matrices and convolutions may round their operands to; f32 if absent. */
  readonly products?: "tf32" | undefined;
  /** How the weight file holds ternary codes; trits if absent. */
  readonly codes?: TernaryStorage;
  /** Configs of kernels that are known to be the best, from records; none if absent. */
  readonly measured?: Measured | undefined;
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
  const { target, sizes, storage = "f32", half = false } = options;
  requireKernels(graph);
  const placements = hoistStepInvariant(graph);
  const scattered = scatteredRows(graph, placements, options);
  const windows = elideConcat(graph, placements, scattered);
  const draft = new ProgramDraft(target, options.codes ?? "trits", options.measured);
  const sample = sampleOf(graph);
  const lowering = new Lowering(draft, graph, {
    ...{ placements, windows, scattered, overwritten: overwritten(graph, placements, target) },
    narrow: storage === "bf16" ? narrowValues(graph) : new Set(),
    state: new Set(sample === undefined ? [] : [sample]),
    multiplied: half ? "f16" : storage,
    attention: options.attention ?? "bf16",
    products: options.products === undefined ? {} : { products: options.products },
  });

  const inputs = graph.inputs.map((id) => port(graph, id, lowering.operand(id), options));
  lowerNodes(lowering);
  const outputs = graph.outputs.map((id) => port(graph, id, outputOperand(lowering, id), options));
  const coefficients = lowerUpdates(lowering);

  const drafts = [...draft.buffers.values()];
  const { kernels: selected, launches } = draft.choose(options.planned ?? [sizes]);
  const kernels = selected.map(({ kernel }) => kernel);
  const phases = phasesWith(launches);
  checkLimits(
    { buffers: drafts, kernels, launches: allLaunches({ phases }) },
    target.limits,
    sizes,
    target.name,
  );
  checkStored(draft.weights.all);
  const byId = new Map(kernels.map((kernel) => [kernel.id, kernel]));
  const writes = (launch: Launch, i: number) => byId.get(launch.kernel)?.args[i]?.access !== "read";
  const kept = new Set(outputs.map((output) => output.buffer));
  const { buffers, report } = planMemory(drafts, phases, writes, kept, sizes);
  const program: Program = {
    target: target.name,
    symbols: symbolsIn([...inputs, ...coefficients]),
    buffers,
    kernels,
    phases,
    inputs: [...inputs, ...coefficients],
    outputs,
    model: graph.model ?? null,
  };
  return { program, kernels: selected, tensors: draft.weights.all, memory: report };
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

/** Symbols of the ports in order of appearance, `steps` last. */
function symbolsIn(ports: readonly ProgramPort[]): readonly string[] {
  const names = new Set(ports.flatMap((p) => p.shape.flatMap(symbolsOf)));
  const hasSteps = names.delete(String(STEPS));
  return [...names, ...(hasSteps ? [String(STEPS)] : [])];
}
