import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CliCase } from "./case.js";

function usage(name: string, argv: readonly string[], message: RegExp, code = "TRITC_E_USAGE"): CliCase {
  return { name, exit: 2, code, message, setup: () => argv };
}

const COMPILE = ["compile", "m.onnx", "-o", "b", "--target", "cpu"] as const;
const RUN = ["run", "b", "--prompt", "p", "-o", "p.png"] as const;

export const USAGE_CASES: readonly CliCase[] = [
  usage("an unknown command", ["teleport"], /unknown command 'teleport'/),
  usage(
    "a misspelled command",
    ["compil", "m.onnx"],
    /unknown command 'compil'[\s\S]*did you mean tritc compile\?/,
  ),
  usage("a command with escape codes", ["\x1b[31mred"], /unknown command '\\u\{1b\}\[31mred'/),
  usage("more threads than can share a launch", [...RUN, "--threads", "100000"], /from 1 to 512/),
  usage("more steps than any schedule has", [...RUN, "--steps", "1000000000"], /from 1 to 10000/),
  usage("a picture beyond measure", [...RUN, "--resolution", "20000x64"], /at most 16384/),
  usage("no time to measure for", ["tune", "b", "--budget", "soon"], /such as 40s or 5m/),
  usage("kernels without names", ["bench", "b", "--kernels", ","], /names with commas/),
  usage("no rounds to measure in", ["bench", "b", "--rounds", "0"], /whole number of 1 or more/),
  usage("an unknown flag", ["inspect", "m.onnx", "--speed"], /unknown option '--speed'/),
  usage(
    "a misspelled flag",
    [...COMPILE, "--tarnerize", "none"],
    /unknown option '--tarnerize'[\s\S]*did you mean --ternarize\?/,
  ),
  usage(
    "a misspelled flag with its value",
    ["inspect", "m.onnx", "--tarnerize=none"],
    /unknown option '--tarnerize'[\s\S]*did you mean --ternarize\?/,
  ),
  usage(
    "a misspelled flag where others are missing",
    ["run", "--promt", "p"],
    /unknown option '--promt'[\s\S]*did you mean --prompt\?/,
  ),
  usage("a long flag with one dash", ["run", "b", "-prompt", "p"], /'-prompt'[\s\S]*did you mean --prompt\?/),
  usage("a flag of nothing", ["--speed"], /unknown option '--speed'/),
  usage("a flag before the command", ["--quiet", "targets"], /options come after the command/),
  usage("help for an unknown command", ["help", "compil"], /unknown command 'compil'[\s\S]*tritc compile/),
  usage("an unknown command's help", ["teleport", "--help"], /unknown command 'teleport'/),
  usage("a flag as a value", ["run", "b", "--prompt", "--steps", "5"], /--prompt: .*missing[\s\S]*--steps/),
  usage("text weights of no form", [...COMPILE, "--text-weights", "int2"], /int2[\s\S]*int8/),
  usage(
    "products that a target does not have",
    [...COMPILE, "--network-products", "tf32"],
    /the target cpu has no kernels that multiply tf32[\s\S]*--network-products/,
    "TRITC_E_ACTIVATIONS",
  ),
  usage("a misspelled choice", [...COMPILE, "--ternarize", "absmeen"], /did you mean absmean\?/),
  usage(
    "a misspelled target",
    ["compile", "m.onnx", "-o", "b", "--target", "cup"],
    /found: {4}cup\n {2}try: {6}did you mean cpu\?/,
    "TRITC_E_TARGET",
  ),
  usage(
    "part of a target's name",
    ["inspect", "m.onnx", "--target", "cuda"],
    /did you mean cuda-portable\?/,
    "TRITC_E_TARGET",
  ),
  ...["jpg", "JPEG", "webp", "safetensors"].map((ending) =>
    usage(
      `a picture as ${ending}`,
      ["run", "b", "--prompt", "p", "-o", `p.${ending}`],
      /writes PNG[\s\S]*\.png/,
    ),
  ),
  usage("a grid as jpg", ["compare", "a", "b", "--prompts", "p", "-o", "g.jpg"], /writes PNG/),
  usage("tensors as npz", ["eval", "m.onnx", "--inputs", "i", "-o", "o.npz"], /writes safetensors/),
  usage("a report as pdf", ["report", "b", "-o", "r.pdf"], /writes HTML/),
  usage("a zip archive", ["pack-runner", "b", "-o", "r.zip"], /writes tar\.gz/),
  usage(
    "a bundle on standard output",
    ["compile", "m.onnx", "--target", "cpu", "-o", "-"],
    /a folder cannot/,
  ),
  usage("an export on standard output", ["export-onnx", "m.onnx", "-o", "-"], /a folder cannot/),
  usage(
    "two revisions",
    ["inspect", "org/name@v1", "--revision", "v2"],
    /two revisions[\s\S]*found: {4}--revision v2/,
  ),
  usage("a revision of a path", ["inspect", ".", "--revision", "v2"], /this is a path/),
  usage("no revision", ["inspect", "org/name", "--revision", "../x"], /this is no revision/),
  usage("no name of the hub", ["inspect", "hf:name"], /no model of the hub[\s\S]*hf:org\/name/),
  usage(
    "a token that none can be",
    ["inspect", "org/name", "--offline", "--token", "hf_a b"],
    /characters that no token has(?![\s\S]*hf_a)/,
  ),
  usage("an empty argument", ["inspect", ""], /an argument is empty/),
  usage("an empty argument among others", ["compare", "a", "", "--prompts", "p", "-o", "g.png"], /is empty/),
  usage(
    "an empty output",
    ["compile", "m.onnx", "--target", "cpu", "-o", ""],
    /--out: '' is invalid[\s\S]*a path/,
  ),
  usage("empty inputs", ["eval", "m.onnx", "--inputs", "", "-o", "o"], /--inputs: '' is invalid/),
  usage("no model", ["inspect"], /missing required argument 'model'/),
  usage("two models", ["inspect", "a.onnx", "b.onnx"], /too many arguments/),
  usage("no target", ["compile", "m.onnx", "-o", "b"], /required option '--target <name>' not specified/),
  usage("no output", ["compile", "m.onnx", "--target", "cpu"], /required option '-o, --out <folder>'/),
  usage("a flag without its value", ["compile", "m.onnx", "-o"], /argument missing/),
  usage(
    "an unknown target",
    ["compile", "m.onnx", "-o", "b", "--target", "abacus"],
    /there is no such target[\s\S]*expected: cpu, webgpu[\s\S]*found: {4}abacus[\s\S]*tritc targets/,
    "TRITC_E_TARGET",
  ),
  usage(
    "an unknown method",
    [...COMPILE, "--ternarize", "magic"],
    /'magic' is invalid[\s\S]*expected: exact, absmean, calibrated, none/,
  ),
  usage(
    "unknown activations",
    [...COMPILE, "--activations", "int3"],
    /'int3' is invalid[\s\S]*expected: int8, bf16, f16, f32/,
  ),
  usage(
    "an unknown form of kernels",
    [...COMPILE, "--emit", "cubin"],
    /'cubin' is invalid[\s\S]*expected: binary, source/,
  ),
  usage("a resolution in words", [...COMPILE, "--resolution", "big"], /'big' is invalid[\s\S]*1024x1024/),
  usage("a resolution of nothing", [...COMPILE, "--resolution", "0x64"], /'0x64' is invalid/),
  usage("a negative resolution", [...COMPILE, "--resolution=-16x64"], /'-16x64' is invalid/),
  usage(
    "a list of resolutions with a hole",
    [...COMPILE, "--resolution", "64x64,"],
    /is invalid[\s\S]*1024x1024/,
  ),
  usage("memory in words", [...COMPILE, "--memory-limit", "much"], /'much' is invalid[\s\S]*2GB/),
  usage(
    "an unknown policy",
    [...COMPILE, "--prompt-weights", "swap"],
    /'swap' is invalid[\s\S]*expected: keep, stream/,
  ),
  usage(
    "an unknown residency",
    [...RUN, "--residency", "stay"],
    /'stay' is invalid[\s\S]*expected: keep, close, alone/,
  ),
  usage(
    "no steps",
    [...RUN, "--steps", "0"],
    /--steps: '0' is invalid\n {2}expected: a whole number of 1 or more\n/,
  ),
  usage("a sampler that there is not", [...RUN, "--sampler", "huen"], /--sampler: .*huen[\s\S]*euler, heun/),
  usage("half a step", [...RUN, "--steps", "1.5"], /'1\.5' is invalid/),
  usage("steps beyond 2^53", [...RUN, "--steps", "9007199254740993"], /is invalid/),
  usage("a negative seed", [...RUN, "--seed=-1"], /'-1' is invalid[\s\S]*0 or more/),
  usage("an empty seed", [...RUN, "--seed", ""], /'' is invalid/),
  usage("a guidance that is no number", [...RUN, "--guidance", "NaN"], /'NaN' is invalid/),
  usage("padding in a way that there is not", [...RUN, "--text-padding", "shown"], /seen, hidden/),
  usage("true guidance that is no number", [...RUN, "--true-cfg-scale", "much"], /'much' is invalid/),
  ...["0", "-0.5", "1.01", "half"].map((strength) =>
    usage(`a strength of ${strength}`, [...RUN, `--strength=${strength}`], /is invalid[\s\S]*number/),
  ),
  usage("a picture without a name", [...RUN, "--image", ""], /'' is invalid[\s\S]*a path/),
  usage("fewer references than none", [...COMPILE, "--references=-1"], /'-1' is invalid/),
  usage("infinite guidance", [...RUN, "--guidance", "Infinity"], /'Infinity' is invalid/),
  usage("no threads", ["eval", "b", "--inputs", "i", "-o", "o", "--threads", "0"], /'0' is invalid/),
  usage(
    "an unknown precision",
    ["eval", "b", "--inputs", "i", "-o", "o", "--precision", "f8"],
    /'f8' is invalid/,
  ),
  {
    name: "a picture for a folder that does not exist",
    exit: 2,
    code: "TRITC_E_OUT",
    message: /none.p\.png: the folder to write into does not exist/,
    setup: (folder, { bundle }) => ["run", bundle, "--prompt", "p", "-o", join(folder, "none", "p.png")],
  },
  {
    name: "outputs for the path of a folder",
    exit: 2,
    code: "TRITC_E_OUT",
    message: /the output path is a folder/,
    setup: (folder, { model, inputs }) => ["eval", model, "--inputs", inputs, "-o", folder],
  },
  {
    name: "a comparison with what is no bundle",
    exit: 2,
    code: "TRITC_E_USAGE",
    message: /not a bundle[\s\S]*manifest\.json/,
    setup(folder, { bundle }) {
      mkdirSync(join(folder, "empty"));
      const out = join(folder, "grid.png");
      return ["compare", bundle, join(folder, "empty"), "--prompts", "p.txt", "-o", out];
    },
  },
  {
    name: "a comparison without prompts",
    exit: 2,
    code: "TRITC_E_USAGE",
    message: /prompts\.txt: there is no prompt/,
    setup(folder, { bundle }) {
      const prompts = join(folder, "prompts.txt");
      writeFileSync(prompts, "\n  \n");
      return ["compare", bundle, bundle, "--prompts", prompts, "-o", join(folder, "grid.png")];
    },
  },
  ...["compile", "inspect"].map(
    (command): CliCase => ({
      name: `a bundle for ${command}, which takes a model`,
      exit: 2,
      code: "TRITC_E_USAGE",
      message: /this is a bundle, and tritc (compile|inspect) takes a model[\s\S]*tritc run/,
      setup: (folder, { bundle }) => [
        ...[command, bundle, "--target", "cpu"],
        ...(command === "compile" ? ["-o", join(folder, "out")] : []),
      ],
    }),
  ),
];
