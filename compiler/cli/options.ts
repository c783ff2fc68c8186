import { type Command, InvalidArgumentError, Option } from "commander";
import { MAX_SIDE, MAX_TEXT_TOKENS, MAX_THREADS } from "../../ir/bounds.js";
import { TEXT_PADDINGS } from "../../ir/models/text-padding.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { RESIDENCIES } from "../../ir/program/residency.js";
import { GROUP_SIZES, type GroupSize } from "../../ir/ternary/groups.js";
import type { LoraRequest } from "../lora/read.js";
import type { Group } from "../pass.js";
import type { Resolution } from "../resolutions.js";
import type { CliIo } from "./io.js";
import { shard } from "./shard.js";
import type { OutputOptions } from "./terminal.js";

/** What every command's action receives besides its own options. */
export interface CommonOptions extends OutputOptions {
  readonly io: CliIo;
  /** Whether a person may be waited for. */
  readonly input?: boolean;
}

/** The options that every command has: what it prints, and in which form. */
export function withOutputOptions(command: Command): Command {
  return command
    .option("--json", "print one JSON document on stdout, errors too")
    .addOption(
      new Option("--progress <form>", "on stderr: a bar on terminals, or JSON lines")
        .choices(["bar", "json"])
        .default("bar")
        .conflicts("quiet"),
    )
    .option("--quiet", "nothing but errors on stderr, and no summary of what was written")
    .option("--no-input", "never wait for what a person types");
}

export interface DeviceOptions {
  readonly threads?: number;
  readonly stallSeconds?: number;
  readonly software?: boolean;
}

/** Where a bundle runs: threads of the cpu target, the adapter of the webgpu target. */
export function withDeviceOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--threads <n>", "threads of the cpu target; default: all cores").argParser(
        wholeFromOne(MAX_THREADS),
      ),
    )
    .addOption(
      new Option(
        "--stall-seconds <n>",
        "cpu, webgpu: give a kernel up that makes no progress for so long; default: 60",
      ).argParser(wholeFromOne(1e6)),
    )
    .option("--software", "webgpu: use the software adapter even where there is a GPU");
}

export interface PlanOptions {
  readonly resolution?: readonly Resolution[];
  readonly textLength?: number;
  readonly references?: number;
  readonly memoryLimit?: number;
  readonly promptWeights?: PromptWeightsPolicy;
}

/** What memory is planned for. */
export function withPlanOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--resolution <WxH,...>",
        "pictures to plan for; the first is what `run` draws; default: the pipeline's size",
      ).argParser(resolutions),
    )
    .addOption(textLengthOption("the model's, else its tokenizer's"))
    .addOption(
      new Option(
        "--references <n>",
        "Kontext, FLUX.2: pictures to draw after, of a megapixel each, to plan for; default: 1 for Kontext and klein 9B-KV, else 0",
      ).argParser(wholeNumber),
    )
    .addOption(
      new Option(
        "--memory-limit <bytes>",
        "memory of the card, such as 8GB; default: the target's",
      ).argParser(byteCount),
    )
    .addOption(promptWeightsOption("default: keep where that fits"));
}

/** Tokens of text that the transformer gets. */
export function textLengthOption(byDefault: string): Option {
  return new Option("--text-length <n>", `text tokens; default: ${byDefault}`).argParser(
    wholeFromOne(MAX_TEXT_TOKENS),
  );
}

/** How a model that masks the padding of its text is given it. */
export function textPaddingOption(): Option {
  return new Option(
    "--text-padding <how>",
    "Chroma: padding weakened, as Diffusers has it, or hidden; default: seen if the model takes a mask",
  ).choices(TEXT_PADDINGS);
}

/** Whether weights that only a prompt needs (time, text and modulation layers) stay on the device. */
export function promptWeightsOption(byDefault: string): Option {
  return new Option(
    "--prompt-weights <policy>",
    `weights that only a prompt reads: keep on the device, or stream for each prompt; ${byDefault}`,
  ).choices(["keep", "stream"]);
}

/** What stays on the device while a picture is drawn. */
export function residencyOption(): Option {
  return new Option(
    "--residency <policy>",
    "what stays on the device: all, the transformer and the network at work, or what is at work alone; default: what fits into the memory that the bundle was compiled for",
  ).choices(RESIDENCIES);
}

/** What a device holds the weights of text encoders in. */
export function textWeightsOption(where = ""): Option {
  return new Option(
    "--text-weights <form>",
    `${where}what the device holds the text encoders' weights in: default: bf16 where they are stored so, else f32`,
  ).choices(["f32", "bf16", "int8", "int4"]);
}

/** What text encoders and VAE multiply. */
export function networkProductsOption(): Option {
  return new Option(
    "--network-products <type>",
    "CUDA: what text encoders and VAE multiply, tf32 on tensor cores or f32; default: tf32",
  ).choices(["tf32", "f32"]);
}

/** Inputs that share a scale of ternary weights: `--group 128`. */
export function groupOption(where = ""): Option {
  const choices = [...GROUP_SIZES.map(String), "row", "auto"];
  return new Option(
    "--group <inputs>",
    `${where}inputs of a row that share a scale: ${choices.join(", ")}; default: auto, what the weights hold without loss, else the row`,
  ).argParser((text): Group => {
    if (text === "row" || text === "auto") return text;
    const size = GROUP_SIZES.find((known) => String(known) === text);
    if (size === undefined) throw new InvalidArgumentError(`Expected one of ${choices.join(", ")}.`);
    return size;
  });
}

/** The same where weights are trained: `--group 128`, else rows. */
export function trainedGroupOption(): Option {
  return new Option(
    "--group <inputs>",
    `inputs of a row that share a scale: ${GROUP_SIZES.join(", ")}; default: all of them`,
  ).argParser((text): GroupSize => {
    const size = GROUP_SIZES.find((known) => String(known) === text);
    if (size === undefined) throw new InvalidArgumentError(`Expected one of ${GROUP_SIZES.join(", ")}.`);
    return size;
  });
}

/** An option of a path that may be given several times. */
export function severalPaths(flags: string, description: string): Option {
  return new Option(flags, description).argParser((path: string, before: readonly string[] | undefined) => {
    if (path === "") throw new InvalidArgumentError("Expected a path.");
    return [...(before ?? []), path];
  });
}

/** An option of several names with commas between them. */
export function namesOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string) => {
    const names = text.split(",").filter((name) => name !== "");
    if (names.length === 0) throw new InvalidArgumentError("Expected names with commas between them.");
    return names;
  });
}

/** What this process does of work that several share: `--shard 2/8` of eight, `auto` as a scheduler says. */
export function shardOption(what = "draw the i-th of n shares of the prompts"): Option {
  return new Option(
    "--shard <i/n>",
    `${what}, such as 2/8; auto: as Slurm's array or Kubernetes' indexed Job says; default: all`,
  ).argParser((text) => shard(text));
}

/** Rank of the branches beside ternary linears. */
export function residualRankOption(description: string): Option {
  return new Option("--residual-rank <r>", description).argParser(wholeNumber).default(0);
}

/** Adapters to merge into a model's weights: `--lora`, as often as wanted. */
export function loraOption(): Option {
  return new Option(
    "--lora <path[:scale]>",
    "adapter (LoRA, DoRA, LoKr, …: .safetensors, its folder, or org/name[/file] of the hub) to merge into the weights first; may be given several times",
  ).argParser((text: string, before: readonly LoraRequest[] | undefined) => [
    ...(before ?? []),
    loraRequest(text),
  ]);
}

/** `style.safetensors`, or `style.safetensors:0.8`. */
export function loraRequest(text: string): LoraRequest {
  const match =
    /^(.+\.safetensors):([^:/\\]*)$/i.exec(text) ?? /^(.+):([-+]?[\d.]+(?:e[-+]?\d+)?)$/i.exec(text);
  const [, file, scale] = match ?? [];
  if (file === undefined || scale === undefined) {
    if (text === "") throw new InvalidArgumentError("Expected the path of a .safetensors file or a folder.");
    return { file: text, scale: 1 };
  }
  const value = Number(scale);
  if (scale.trim() === "" || !Number.isFinite(value)) {
    throw new InvalidArgumentError("Expected <file> or <file>:<scale>, such as style.safetensors:0.8.");
  }
  return { file, scale: value };
}

/** A parser of whole numbers from 1 to `most`. */
export function wholeFromOne(most: number): (text: string) => number {
  return (text) => {
    const value = positiveInteger(text);
    if (value > most) throw new InvalidArgumentError(`Expected a whole number from 1 to ${most}.`);
    return value;
  };
}

/** Parses a whole number of 1 or more. Throws InvalidArgumentError, as the parsers below. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("Expected a whole number of 1 or more.");
  return value;
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Parses a size: `2GB`, `512MB`, `1.5GiB`, or a number of bytes. */
export function byteCount(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new InvalidArgumentError("Expected a size, such as 2GB, 512MB or 1.5GiB.");
  }
  return bytes;
}

/** Parses a whole number of 0 or more, up to 2^53 − 1. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError("Expected a whole number of 0 or more.");
  }
  return value;
}

/** Parses a number that is neither infinite nor NaN. */
export function finiteNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}

/** Parses how much of a picture is drawn anew. */
export function strengthNumber(text: string): number {
  const value = finiteNumber(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("Expected a number above 0, at most 1.");
}

/** `512x512,1344x768`: several of them. */
export function resolutions(text: string): readonly Resolution[] {
  return text.split(",").map((part) => resolution(part.trim()));
}

/** `1024x768`: width by height in pixels. */
export function resolution(text: string): Resolution {
  const match = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(text);
  if (match === null)
    throw new InvalidArgumentError("Expected <width>x<height> in pixels, such as 1024x1024.");
  const [width, height] = [Number(match[1]), Number(match[2])];
  if (Math.max(width, height) > MAX_SIDE)
    throw new InvalidArgumentError(`Expected sides of at most ${MAX_SIDE} pixels.`);
  return { width, height };
}
