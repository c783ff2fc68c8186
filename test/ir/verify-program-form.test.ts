/** Faults of names, kernels, ports and signatures: what a program says before anything is computed. */
import { describe } from "vitest";
import { type Broken, buffer, kernel, launch, launchArg, port, refusesEach } from "./broken-programs.js";
import { SAMPLE } from "./program-sample.js";

const NAMES: Broken = [
  [
    "two symbols of one name",
    { ...SAMPLE, symbols: ["img_tokens", "steps", "steps"] },
    /^symbols: two have one name\n.*steps/,
  ],
  ["an unprintable symbol", { ...SAMPLE, symbols: ["a\u001b"] }, /cannot be a symbol's name\n.*\\u\{1b\}/],
  ["two buffers of one name", buffer("q", { id: "x" }), /^buffers: two have one name\n.*x/],
  ["two kernels of one name", kernel("embed", { id: "gemm" }), /^kernels: two have one name/],
  ["two inputs of one name", port("inputs", 1, { name: "latents" }), /^inputs: two have one name/],
  ["two inputs in one buffer", port("inputs", 2, { buffer: "t" }), /^buffers of inputs: two have one name/],
  [
    "a buffer of an unknown size",
    buffer("v", { elements: "8*ghost" }),
    /^buffer v: the size 8\*ghost depends on ghost\n.*img_tokens, steps/,
  ],
  [
    "a launch of an unknown size",
    launch("step", 3, () => ({ rows: "ghost" })),
    /^step launch 3 \(soften\): the size ghost depends on ghost/,
  ],
  [
    "a weight of a symbolic size",
    buffer("scales", { elements: "img_tokens" }),
    /^buffer scales: a weight buffer whose size is not known at load/,
  ],
];

const KERNELS: Broken = [
  [
    "an empty workgroup",
    kernel("gemm", { workgroup: [8, 0, 1] }),
    /^kernel gemm: a workgroup without invocations\n.*8 × 0 × 1/,
  ],
  [
    "a fallback that is not there",
    kernel("gemm", { fallback: "ghost" }),
    /^kernel gemm: its fallback does not exist\n.*ghost/,
  ],
  ["fallbacks in a circle", kernel("gemm-plain", { fallback: "gemm" }), /its fallbacks go round in a circle/],
  [
    "a fallback with other arguments",
    kernel("gemm", { fallback: "embed" }),
    /^kernel gemm: its fallback is another function/,
  ],
  [
    "a parameter that is missing",
    kernel("embed", { params: {} }),
    /^kernel embed: the parameter dim is not what its family needs/,
  ],
];

const PORTS: Broken = [
  [
    "an input in no buffer",
    port("inputs", 0, { buffer: "ghost" }),
    /^input latents: it lies in a buffer that does not exist\n.*ghost/,
  ],
  [
    "an input that the host does not write",
    port("inputs", 1, { buffer: "v" }),
    /^input t: an input that the host does not write/,
  ],
  [
    "an output that is freed",
    port("outputs", 0, { buffer: "trits" }),
    /^output v\/0: an output that is freed after load/,
  ],
  [
    "a batch axis beyond the rank",
    port("outputs", 0, { batchAxis: 3 }),
    /^output v\/0: it has no such batch axis\n.*below 3/,
  ],
  [
    "an input of another size",
    port("inputs", 0, { shape: ["img_tokens", 19] }),
    /^input latents: its buffer has another size\n.*77824 elements .*img_tokens = 4096.*\n.*81920 in buffer x/,
  ],
  [
    "an output larger than its buffer",
    port("outputs", 0, { shape: ["img_tokens", 9] }),
    /^output v\/0: its buffer has another size/,
  ],
];

const SIGNATURES: Broken = [
  [
    "a launch of no kernel",
    launch("step", 1, () => ({ kernel: "ghost" })),
    /^step launch 1 \(block\): there is no kernel ghost/,
  ],
  [
    "too few arguments",
    launch("step", 1, ({ args }) => ({ args: args.slice(1) })),
    /7 arguments for the 8 of gemm/,
  ],
  ["too many scalars", launch("step", 1, () => ({ scalars: [1] })), /1 scalars for the 0 of gemm/],
  [
    "a tile of nothing",
    launch("step", 1, () => ({ grid: [{ size: 8, tile: 0 }] })),
    /^step launch 1 \(block\): this is no grid\n.*\n.*tiles of 0/,
  ],
  [
    "a symbolic size at load",
    launch("load", 0, () => ({ rows: "img_tokens" })),
    /^load launch 0 \(block\.w\): its sizes are not known at load/,
  ],
  [
    "an argument in no buffer",
    launchArg("step", 0, 0, { buffer: "ghost" }),
    /argument x lies in a buffer that does not exist\n.*ghost/,
  ],
  [
    "an argument of another type",
    launchArg("step", 0, 0, { buffer: "row_sum" }),
    /^step launch 0 \(quantize "rows"\), argument x: its buffer has another element type\n.*f32\n.*i32 in row_sum/,
  ],
  [
    "a step stride in prompt",
    launchArg("prompt", 0, 1, { stepStride: 8 }),
    /^prompt launch 0 \(time\), argument out: it moves with the step/,
  ],
];

describe("verifyProgram", () => refusesEach([...NAMES, ...KERNELS, ...PORTS, ...SIGNATURES]));
