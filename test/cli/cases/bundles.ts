import { mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyBundle, flipBit, rehash, replaceText } from "../../support/bundle-surgery.js";
import type { CliCase, Fixture } from "./case.js";
import { rawSafetensors } from "./tensors.js";

interface Options {
  readonly code?: string;
  /** Damages that a hash would show are hidden from it. */
  readonly hidden?: boolean;
  readonly argv?: (bundle: string, folder: string, fixture: Fixture) => readonly string[];
}

const evaluate = (bundle: string, folder: string, { inputs }: Fixture) => [
  ...["eval", bundle, "--inputs", inputs],
  ...["-o", join(folder, "out.safetensors"), "--threads", "1"],
];

/** The small model's bundle, damaged, through `eval` or another command. */
function damaged(
  name: string,
  message: RegExp,
  damage: (bundle: string) => void,
  options: Options = {},
): CliCase {
  return {
    name: `bundle: ${name}`,
    code: `TRITC_E_${options.code ?? "BUNDLE_FILE"}`,
    message,
    setup(folder, fixture) {
      const bundle = copyBundle(fixture.generic, folder);
      damage(bundle);
      if (options.hidden === true) rehash(bundle);
      return (options.argv ?? evaluate)(bundle, folder, fixture);
    },
  };
}

const CHANGED =
  /was changed after it was written[\s\S]*expected: SHA-256 [0-9a-f]{64}[\s\S]*found: {4}SHA-256/;

function kernelOf(bundle: string): string {
  const name = readdirSync(join(bundle, "kernels")).find((file) => file.endsWith(".wasm"));
  return join(bundle, "kernels", name ?? "");
}

const interpret: NonNullable<Options["argv"]> = (bundle, folder, fixture) => [
  ...evaluate(bundle, folder, fixture),
  "--interpret",
];
const verify: NonNullable<Options["argv"]> = (bundle) => ["verify", bundle, "--threads", "1"];
const draw: NonNullable<Options["argv"]> = (bundle, folder) => [
  ...["run", bundle, "--prompt", "p", "-o", join(folder, "p.png"), "--threads", "1"],
];

/** What a hash, a size or a directory listing shows. */
const FILES: readonly CliCase[] = [
  damaged("weights with one bit flipped", CHANGED, (b) => flipBit(join(b, "weights.safetensors"))),
  damaged("a weights header with one bit flipped", CHANGED, (b) =>
    flipBit(join(b, "weights.safetensors"), 40),
  ),
  damaged("a kernel with one bit flipped", CHANGED, (b) => flipBit(kernelOf(b))),
  damaged("a program with one bit flipped", CHANGED, (b) => flipBit(join(b, "program.json"))),
  damaged("a graph with one bit flipped", CHANGED, (b) => flipBit(join(b, "graph.ir"))),
  damaged("a graph with one bit flipped, interpreted", CHANGED, (b) => flipBit(join(b, "graph.ir")), {
    argv: interpret,
  }),
  damaged("a graph with one bit flipped, drawn", CHANGED, (b) => flipBit(join(b, "graph.ir")), {
    argv: draw,
  }),
  damaged(
    "weights cut short",
    /does not have its size[\s\S]*expected: \d+ bytes[\s\S]*found: {4}100 bytes/,
    (b) => truncateSync(join(b, "weights.safetensors"), 100),
  ),
  damaged("no weights", /weights\.safetensors: the bundle's file is missing/, (b) =>
    rmSync(join(b, "weights.safetensors")),
  ),
  damaged("no kernels", /kernels\/.*: the bundle's file is missing/, (b) =>
    rmSync(join(b, "kernels"), { recursive: true }),
  ),
  damaged("no program", /program\.json: the bundle's file is missing/, (b) =>
    rmSync(join(b, "program.json")),
  ),
  damaged("a folder for weights", /weights\.safetensors: the bundle's file is missing/, (b) => {
    rmSync(join(b, "weights.safetensors"));
    mkdirSync(join(b, "weights.safetensors"));
  }),
  damaged("weights that are a dangling link", /the bundle's file is missing/, (b) => {
    rmSync(join(b, "weights.safetensors"));
    symlinkSync("nowhere", join(b, "weights.safetensors"));
  }),
  damaged(
    "a file that nobody listed",
    /extra\.txt: the bundle's file is not in the manifest/,
    (b) => writeFileSync(join(b, "kernels", "extra.txt"), "boo"),
    { argv: verify },
  ),
];

const FORMAT = "BUNDLE_FORMAT";

function manifest(name: string, message: RegExp, from: string | RegExp, to: string, code = FORMAT): CliCase {
  return damaged(`a manifest with ${name}`, message, (b) => replaceText(join(b, "manifest.json"), from, to), {
    code,
  });
}

const MANIFESTS: readonly CliCase[] = [
  manifest(
    "a newer format",
    /written by a newer tritc[\s\S]*version 3[\s\S]*version 4[\s\S]*update/,
    '"formatVersion": 3',
    '"formatVersion": 4',
    "BUNDLE_VERSION",
  ),
  manifest(
    "a format of long ago",
    /written by an older tritc[\s\S]*version 3[\s\S]*version 2[\s\S]*compile the model again/,
    '"formatVersion": 3',
    '"formatVersion": 2',
    "BUNDLE_VERSION",
  ),
  manifest(
    "a format that is no number",
    /formatVersion[\s\S]*"one"/,
    '"formatVersion": 3',
    '"formatVersion": "one"',
  ),
  manifest(
    "another format",
    /format[\s\S]*expected: tritc-bundle[\s\S]*"other"/,
    '"tritc-bundle"',
    '"other"',
  ),
  manifest(
    "a path that leaves",
    /a file outside the bundle[\s\S]*\.\.\/weights/,
    '"path": "weights',
    '"path": "../weights',
  ),
  manifest(
    "an absolute path",
    /a file outside the bundle[\s\S]*\/etc/,
    '"path": "weights',
    '"path": "/etc/weights',
  ),
  manifest("a drive", /a file outside the bundle[\s\S]*C:weights/, '"path": "weights', '"path": "C:weights'),
  manifest("backslashes", /a file outside the bundle/, '"path": "weights', '"path": "..\\\\weights'),
  manifest(
    "a NUL in a path",
    /a file outside the bundle[\s\S]*\\u\{0\}/,
    '"path": "weights',
    '"path": "\\u0000weights',
  ),
  manifest(
    "escape codes in a path",
    /a file outside the bundle[\s\S]*\\u\{1b\}/,
    '"path": "weights',
    '"path": "\\u001b[2Jweights',
  ),
  manifest("a kernel outside", /a file outside the bundle/, '"binary": "', '"binary": "../../', FORMAT),
  manifest("a key twice", /duplicate key "target"/, '"target":', '"target": "cpu", "target":'),
  manifest(
    "a size beyond 2^53",
    /files\[0\]\.bytes[\s\S]*9007199254740993/,
    /"bytes": \d+/,
    '"bytes": 9007199254740993',
  ),
  manifest("a size of 1e999", /files\[0\]\.bytes[\s\S]*1e999/, /"bytes": \d+/, '"bytes": 1e999'),
  manifest("a negative size", /files\[0\]\.bytes[\s\S]*-1/, /"bytes": \d+/, '"bytes": -1'),
  manifest("half a hash", /files\[0\]\.sha256/, /"sha256": "[0-9a-f]{32}/, '"sha256": "'),
  manifest("__proto__", /__proto__/, '"target":', '"__proto__": {}, "target":'),
  manifest("a file twice", /lists a file twice/, /"files": \[\s*(\{[^}]*\}),/, '"files": [$1, $1,'),
  manifest(
    "another target than the program's",
    /target[\s\S]*expected: cpu[\s\S]*webgpu/,
    '"target": "cpu"',
    '"target": "webgpu"',
  ),
  damaged("an empty manifest", /not valid JSON/, (b) => writeFileSync(join(b, "manifest.json"), ""), {
    code: FORMAT,
  }),
  damaged(
    "a manifest of zero bytes",
    /not valid JSON/,
    (b) => writeFileSync(join(b, "manifest.json"), new Uint8Array(99)),
    { code: FORMAT },
  ),
  damaged(
    "a manifest nested deeply",
    /nesting deeper/,
    (b) => writeFileSync(join(b, "manifest.json"), "[".repeat(1e5)),
    { code: FORMAT },
  ),
  damaged("a manifest that lists nothing", /program\.json/, (b) =>
    replaceText(join(b, "manifest.json"), /"files": [\s\S]*/, '"files": []}'),
  ),
  damaged(
    "a folder for a manifest",
    /not a bundle/,
    (b) => {
      rmSync(join(b, "manifest.json"));
      mkdirSync(join(b, "manifest.json"));
    },
    { code: "NOT_A_BUNDLE" },
  ),
  damaged("no manifest", /not a bundle[\s\S]*tritc compile/, (b) => rmSync(join(b, "manifest.json")), {
    code: "NOT_A_BUNDLE",
    argv: verify,
  }),
  damaged("nothing at all, drawn", /not a bundle/, (b) => rmSync(b, { recursive: true }), {
    code: "NOT_A_BUNDLE",
    argv: draw,
  }),
];

function program(name: string, message: RegExp, from: string | RegExp, to: string, code = FORMAT): CliCase {
  const damage = (b: string) => replaceText(join(b, "program.json"), from, to);
  return damaged(`a program with ${name}`, message, damage, { code, hidden: true });
}

function port(name: string, message: RegExp, from: RegExp, to: string): CliCase {
  return program(`${name} that is not the graph's`, message, from, to);
}

function graph(name: string, message: RegExp, from: RegExp, to: string): CliCase {
  const damage = (b: string) => replaceText(join(b, "graph.ir"), from, to);
  return damaged(`a graph with ${name}`, message, damage, { code: FORMAT, hidden: true, argv: interpret });
}

/** Inputs and outputs that are not the graph's; their buffers have their sizes. */
const PORTS: readonly CliCase[] = [
  port(
    "an output's shape",
    /agree on output y[\s\S]*"shape":\[2,8\][\s\S]*"shape":\[8,2\]/,
    /("outputs": .*)"shape":\[2,8\]/,
    '$1"shape":[8,2]',
  ),
  port(
    "an input's shape",
    /agree on input x[\s\S]*"shape":\["n",8\][\s\S]*"shape":\[8,"n"\]/,
    /("inputs": .*)"shape":\["n",8\]/,
    '$1"shape":[8,"n"]',
  ),
  port(
    "an output's type",
    /agree on output y[\s\S]*"dtype":"f32"[\s\S]*"dtype":"f16"/,
    /("outputs": .*"dtype":)"f32"/,
    '$1"f16"',
  ),
  port("an input's type", /agree on input i[\s\S]*"i64"[\s\S]*"i32"/, /("inputs": .*)"i64"/, '$1"i32"'),
  port(
    "a batch axis",
    /agree on output y[\s\S]*"batchAxis":null[\s\S]*"batchAxis":0/,
    /("outputs": .*"batchAxis":)null/,
    "$10",
  ),
  port(
    "a role",
    /agree on input x[\s\S]*"role":null[\s\S]*"role":"latents"/,
    /("inputs": .*?"role":)null/,
    '$1"latents"',
  ),
  port("a name", /agree on the outputs[\s\S]*\["y"\][\s\S]*\["z"\]/, /("outputs": .*?"name":)"y"/, '$1"z"'),
  port(
    "an order of inputs",
    /agree on the inputs[\s\S]*\["x","i"\][\s\S]*\["i","x"\]/,
    /("inputs": \[)(\{.*\}),(\{.*\})\]/,
    "$1$3,$2]",
  ),
  graph("another shape", /agree on output y[\s\S]*\[2,8\][\s\S]*\[4,4\]/, /%y: f32\[2, 8\]/, "%y: f32[4, 4]"),
  graph("another output", /agree on the outputs[\s\S]*\["y"\][\s\S]*\["x"\]/, /output %y/, "output %x"),
];

/** Contents that are wrong although the hashes are right. */
const CONTENTS: readonly CliCase[] = [
  program(
    "an argument in no buffer",
    /lies in a buffer that does not exist/,
    /("args":\[\{"buffer":)"[^"]*"/,
    '$1"ghost"',
    "PROGRAM",
  ),
  program(
    "a launch of no kernel",
    /there is no kernel ghost/,
    /\{"kernel":"[^"]*"/,
    '{"kernel":"ghost"',
    "PROGRAM",
  ),
  program(
    "an unknown target",
    /another language than the target's/,
    '"target": "cpu"',
    '"target": "abacus"',
    "PROGRAM",
  ),
  program("an unknown symbol", /depends on ghost/, '"rows":"n"', '"rows":"ghost"', "PROGRAM"),
  program(
    "a size that is no formula",
    /is not what it must be[\s\S]*a dimension/,
    '"rows":"n"',
    '"rows":"n**"',
  ),
  program("a kernel named as a path", /kernels\[0\]\.id/, /"id":"unpack/, '"id":"../unpack'),
  program(
    "a buffer of 2^52 elements",
    /does not fit into the 4 GiB/,
    /("elements":)\d+(,"storage":\{"kind":"resident")/,
    "$14503599627370496$2",
    "CPU_MEMORY",
  ),
  damaged(
    "a program that is a list",
    /the document[\s\S]*an object/,
    (b) => writeFileSync(join(b, "program.json"), "[]"),
    { code: FORMAT, hidden: true },
  ),
  damaged(
    "weights without tensors",
    /do not agree on the tensors/,
    (b) => writeFileSync(join(b, "weights.safetensors"), rawSafetensors("{}", 0)),
    { hidden: true, code: FORMAT },
  ),
  damaged(
    "weights with bytes behind them",
    /bytes after the last tensor/,
    (b) => writeFileSync(join(b, "weights.safetensors"), rawSafetensors("{}", 5)),
    { hidden: true, code: "SAFETENSORS" },
  ),
  damaged(
    "kernels that are no WebAssembly",
    /is not a WebAssembly module/,
    (b) => writeFileSync(kernelOf(b), "MZ"),
    { hidden: true, code: "KERNEL" },
  ),
  damaged(
    "a graph that is no graph",
    /graph\.ir/,
    (b) => writeFileSync(join(b, "graph.ir"), "once upon a time"),
    { hidden: true, code: "IR_TEXT", argv: interpret },
  ),
  damaged(
    "a graph that reads other files",
    /is not the bundle's[\s\S]*\/etc\/passwd/,
    (b) => replaceText(join(b, "graph.ir"), /"weights\.safetensors"/g, '"/etc/passwd"'),
    { hidden: true, code: FORMAT, argv: interpret },
  ),
  {
    name: "bundle: of a graph that draws nothing",
    code: "TRITC_E_NOT_A_SAMPLER",
    message: /cannot be sampled[\s\S]*generic operations, with the inputs x, i/,
    setup: (folder, fixture) => draw(fixture.generic, folder, fixture),
  },
];

export const BUNDLE_CASES: readonly CliCase[] = [...FILES, ...MANIFESTS, ...PORTS, ...CONTENTS];
