import type { ManifestMemory } from "../ir/format/manifest.js";
import type { ModelDescription } from "../ir/models/index.js";
import type { SamplerName } from "../ir/sampling/rules/index.js";
import type { BothPasses } from "./account/both-passes.js";
import type { KernelChoice } from "./choices.js";
import type { KernelResources } from "./codegen/nvcc/resources.js";
import type { Drawing } from "./drawing.js";
import type { TernarizedLayer } from "./gptq/ternarize-model.js";
import type { LoraReport } from "./lora/merge-plan.js";
import type { MemoryReport } from "./lower/index.js";
import type { PipelineReport } from "./networks/report.js";
import type { PackReport } from "./pack/write-weights.js";
import type { StepEstimate } from "./step-estimates.js";
import type { UseOfRecords } from "./tuning/use-of-records.js";

/** What a compilation came to. */
export interface CompileReport extends PipelineReport {
  readonly out: string;
  readonly target: string;
  readonly model: ModelDescription | null;
  /** What `run` draws by default; null for a graph that draws no pictures. */
  readonly drawing: Drawing | null;
  /** What `run --sampler` may choose from; none for a graph that draws no pictures. */
  readonly samplers: readonly SamplerName[];
  /** What became of each adapter. */
  readonly lora: readonly LoraReport[];
  readonly kernels: number;
  /** CUDA with binaries: what they were made with. */
  readonly toolkit: string | null;
  /** CUDA with binaries by nvcc: what each kernel takes on each architecture. */
  readonly resources: readonly (KernelResources & { readonly kernel: string })[];
  /** What became of the records that were given; null without any. */
  readonly tuning: UseOfRecords | null;
  /** By phase. */
  readonly launches: Readonly<Record<string, number>>;
  /** Bytes of weights.safetensors. */
  readonly weightBytes: number;
  /** What each layer loses that was made ternary with a calibration; none otherwise. */
  readonly calibrated: readonly TernarizedLayer[];
  /** Layers that have a branch beside them, and those that are too small for one; null without branches. */
  readonly residual: {
    readonly rank: number;
    readonly layers: number;
    readonly without: readonly string[];
  } | null;
  /** How the weights were packed. */
  readonly packing: PackReport;
  /** Bytes of the parameters in the model's own types. */
  readonly sourceBytes: number;
  /** The most device memory at any planned size, in bytes. */
  readonly memoryBytes: number;
  /** Memory and work at each size, as the manifest says it. */
  readonly account: ManifestMemory;
  /** Both passes of guidance at once; null for a model that is guided by one. */
  readonly bothPasses: BothPasses | null;
  /** Seconds of a step at the target's peak rates, by size; null where they are not known. */
  readonly stepFloors: readonly (number | null)[];
  /** Bytes of references' keys and values that are kept over the steps, by size; 0 where they are computed in each. */
  readonly referenceBytes: readonly number[];
  readonly memory: MemoryReport;
  /** Why each kernel is as it is. */
  readonly choices: readonly KernelChoice[];
  /** What a step takes by the cost model, at each size on each kind of devices whose speed is known. */
  readonly stepEstimates: readonly StepEstimate[];
  readonly unrecognized: readonly { readonly op: string; readonly count: number }[];
  readonly seconds: number;
}
