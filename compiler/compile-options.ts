import type { PromptWeightsPolicy } from "../ir/program/prompt-weights.js";
import type { TernaryStorage } from "../ir/ternary/storage.js";
import type { Activations, AttentionProducts, NetworkProducts } from "../targets/index.js";
import type { Emit } from "./codegen/generate-kernels.js";
import type { LoraRequest } from "./lora/read.js";
import type { NetworkName } from "./networks/part.js";
import type { TextWeights } from "./networks/text-weights.js";
import type { Group, Ternarize } from "./pass.js";
import type { Resolution } from "./resolutions.js";
import type { TuningRecord } from "./tuning/records.js";

export interface CompileOptions {
  /** An .onnx file, a folder with one, a Diffusers folder, or an original checkpoint. */
  readonly input: string;
  /** The bundle folder to write. */
  readonly out: string;
  /** Name of a target. */
  readonly target: string;
  /** calibrated: by what the layers read, which `calibration` knows. */
  readonly ternarize: Ternarize | "calibrated";
  /** Inputs of a row that share a scale; auto if absent. */
  readonly group?: Group | undefined;
  /** Folder of `tritc calibrate --moments` with this model. */
  readonly calibration?: string | undefined;
  /** Rank of a dense branch beside every ternary linear of the blocks, for what its weights lose; 0 (none) if absent. */
  readonly residualRank?: number;
  readonly activations: Activations;
  /** CUDA: what attention multiplies queries with keys in; bf16 if absent. */
  readonly attention?: AttentionProducts;
  /** How the weight file holds ternary codes: five trits a byte, or four 2-bit codes; trits if absent. */
  readonly storage?: TernaryStorage;
  /** What the device holds the weights of a pipeline's text encoders in; see `asStored` for what they are if absent. */
  readonly textWeights?: TextWeights | undefined;
  /** What text encoders and VAE multiply; tf32 on CUDA if absent, f32 elsewhere. */
  readonly networkProducts?: NetworkProducts | undefined;
  /** Adapters to merge into the weights before anything is ternarized. */
  readonly lora?: readonly LoraRequest[];
  /** Pictures to plan for; the pipeline's size or a static export's own if absent. The first is what is drawn by default. */
  readonly resolutions?: readonly Resolution[];
  /** Text tokens; the model's own number, else its pipeline's, if absent. */
  readonly textLength?: number | undefined;
  /** Pictures to draw after, to plan memory for; if absent, one for Kontext and klein 9B-KV, none for others. */
  readonly references?: number | undefined;
  /** Memory of the device in bytes; what the target's has if absent. */
  readonly memoryLimit?: number | undefined;
  /** Whether weights that only `prompt` reads stay on the device; if absent, where that fits. */
  readonly promptWeights?: PromptWeightsPolicy | undefined;
  /** Folder of the pipeline's other parts; found beside the model if absent. False: the transformer alone. */
  readonly pipeline?: string | false;
  /** CUDA: whether kernels are compiled (the default, takes nvcc) or left as sources. */
  readonly emit?: Emit;
  /** What was measured of kernels on devices of the target: those configs are taken, before those that the package has. */
  readonly tuning?: readonly TuningRecord[] | undefined;
  /** Folder that keeps compiled CUDA kernels for the next time; none are kept if absent. */
  readonly kernelCache?: string;
  /** What the process may take while it packs weights, in bytes; 2 GB if absent, or 256 MB more than it takes. */
  readonly memory?: number;
  /** Threads that round and pack weights; as many as there are processors if absent, 0 for the calling one. */
  readonly threads?: number;
  /** Whether to go on from what a stopped run left beside `out`, and to leave it for the next; true if absent. */
  readonly resume?: boolean;
  /** Remarks for people. */
  readonly onNotice?: (text: string) => void;
  readonly onProgress?: (progress: CompileProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface CompileProgress {
  /** groups: weights that are looked at for groups that they hold. kernels: counted. calibrating, branches: rows of weights. weights: bytes of the model. */
  readonly phase: "groups" | "kernels" | "calibrating" | "branches" | "weights";
  readonly done: number;
  readonly total: number;
  /** What it is of: a network of the pipeline, or the transformer where absent. */
  readonly network?: NetworkName;
}
