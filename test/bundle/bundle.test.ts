import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readBundleGraph } from "../../compiler/bundle/read-graph.js";
import { type CompileOptions, compileModel } from "../../compiler/compile.js";
import { TritcError } from "../../ir/errors.js";
import { interpret } from "../../ir/interpret/index.js";
import { parseProgram, printProgram } from "../../ir/program/json.js";
import type { Tensor } from "../../ir/tensor.js";
import { evaluateFolder, openBundle } from "../../runtime/node/bundle.js";
import { buildFlux, fluxInputs } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY } from "../support/flux-style.js";
import { relativeError } from "../support/run-compiled.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-bundle-"));
afterAll(() => rmSync(folder, { recursive: true }));

const style = Object.values(STYLES).find((s) => s.tokens !== null) as FluxStyle;
const pipeline = join(folder, "pipeline");
const input = join(pipeline, "transformer", "model.onnx");
const bundle = join(folder, "bundle");

const VAE_CONFIG = JSON.stringify({
  latent_channels: 2,
  scaling_factor: 0.5,
  block_out_channels: [1, 1, 1, 1],
  sample_size: 32,
});

function compile(options: Partial<CompileOptions> = {}) {
  return compileModel({
    input,
    out: bundle,
    target: "cpu",
    ternarize: "exact",
    activations: "int8",
    resolutions: [{ width: 64, height: 64 }],
    ...options,
  });
}

/** A pipeline folder with stand-ins for what only has to be copied. */
beforeAll(async () => {
  mkdirSync(dirname(input), { recursive: true });
  writeFileSync(input, buildFlux(style, TINY));
  writeFileSync(join(pipeline, "model_index.json"), '{"_class_name":"FluxPipeline"}');
  for (const [part, contents] of [
    ["scheduler/scheduler_config.json", '{"use_dynamic_shifting":true}'],
    ["tokenizer/tokenizer.json", "contents of the tokenizer"],
    ["vae_decoder/model.onnx", "contents of the decoder"],
  ] as const) {
    mkdirSync(dirname(join(pipeline, part)), { recursive: true });
    writeFileSync(join(pipeline, part), contents);
  }
  // Download caches hold symbolic links to files elsewhere.
  writeFileSync(join(folder, "blob"), VAE_CONFIG);
  symlinkSync(join(folder, "blob"), join(pipeline, "vae_decoder", "config.json"));
  mkdirSync(join(pipeline, "eval"));
  await compile();
});

function filesBelow(root: string, below = ""): string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(root, path) : [path];
  });
}

function hashes(root: string): Record<string, string> {
  return Object.fromEntries(
    filesBelow(root).map((path) => [
      path,
      createHash("sha256")
        .update(readFileSync(join(root, path)))
        .digest("hex"),
    ]),
  );
}

function modelInputs(): Map<string, Tensor> {
  const given = fluxInputs(style, TINY, { img: 9, txt: 4 });
  return new Map(
    Object.entries(given).map(([name, { type, dims, values }]) => [
      name,
      type === "i64"
        ? { dtype: "i64", shape: dims, data: BigInt64Array.from(values, BigInt) }
        : { dtype: "f32", shape: dims, data: Float32Array.from(values) },
    ]),
  );
}

async function failure(promise: Promise<unknown>): Promise<TritcError> {
  const error: unknown = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (error instanceof TritcError) return error;
  throw new Error(`expected a TritcError, found ${String(error)}`);
}

describe("a bundle", () => {
  it("names every file with its hash and size, and runs as its graph does", async () => {
    const opened = await openBundle(bundle);
    const found = hashes(bundle);
    const { "manifest.json": hash, ...rest } = found;
    expect(opened.hash).toBe(hash);
    expect(Object.fromEntries(opened.manifest.files.map((f) => [f.path, f.sha256]))).toEqual(rest);
    expect(opened.manifest.resolutions).toEqual([{ width: 64, height: 64 }]);
    expect(opened.manifest.sampling).toMatchObject({
      pixelsPerToken: 16,
      steps: 50,
      guidance: 3.5,
      scheduler: { useDynamicShifting: true, baseShift: 0.5 },
    });
    expect(opened.manifest.model?.singleBlocks).toBe(TINY.singles);
    const inputs = modelInputs();
    const outputs = await evaluateFolder(bundle, Object.fromEntries(inputs), { threads: 1 });
    const { graph, reader } = await readBundleGraph(bundle);
    const wanted = interpret(graph, inputs, { reader });
    reader.close();
    expect(relativeError(outputs[style.output], wanted.get(style.output))).toBeLessThan(1e-3);
  });

  it("with 2-bit codes differs in the weight file and the kernels that unpack it, not in the results", async () => {
    const out = join(folder, "two-bit");
    await compile({ out, storage: "2bit" });
    const [{ manifest }, { manifest: plain }] = [await openBundle(out), await openBundle(bundle)];
    expect([manifest.options.storage, plain.options.storage]).toEqual(["2bit", "trits"]);
    const tensors = manifest.tensors.map((tensor, i) =>
      tensor.encoding === "2bit" ? { ...tensor, encoding: "trits", shape: plain.tensors[i]?.shape } : tensor,
    );
    expect(tensors).toEqual(plain.tensors);
    expect(manifest.tensors.some(({ encoding }) => encoding === "2bit")).toBe(true);
    const others = ({ kernels }: typeof manifest) => kernels.filter((k) => k.family !== "unpack-trits");
    expect(others(manifest)).toEqual(others(plain));
    const inputs = modelInputs();
    const run = (path: string) => evaluateFolder(path, Object.fromEntries(inputs), { threads: 1 });
    expect(await run(out)).toEqual(await run(bundle));
    const interpreted = async (path: string) => {
      const { graph, reader } = await readBundleGraph(path);
      const outputs = interpret(graph, inputs, { reader });
      reader.close();
      return outputs;
    };
    expect(await interpreted(out)).toEqual(await interpreted(bundle));
  });

  it("holds the pipeline's parts, links followed, and nothing else of it", () => {
    expect(filesBelow(join(bundle, "pipeline")).sort()).toEqual([
      "model_index.json",
      "scheduler/scheduler_config.json",
      "tokenizer/tokenizer.json",
      "vae_decoder/config.json",
      "vae_decoder/model.onnx",
    ]);
    expect(readFileSync(join(bundle, "pipeline/vae_decoder/config.json"), "utf8")).toBe(VAE_CONFIG);
  });

  it("depends on the model and the options only", async () => {
    const elsewhere = join(folder, "another", "place");
    cpSync(pipeline, join(elsewhere, "pipeline"), { recursive: true });
    const out = join(elsewhere, "out");
    await compile({ input: join(elsewhere, "pipeline", "transformer", "model.onnx"), out });
    expect(hashes(out)).toEqual(hashes(bundle));
    for (const path of filesBelow(out)) {
      expect(readFileSync(join(out, path), "latin1")).not.toContain(folder);
    }
  });

  it("has typed options for this model", () => {
    const types = readFileSync(join(bundle, "index.d.ts"), "utf8");
    expect(types).toContain("readonly guidance?: number;");
    expect(types).toContain(
      "export function generate(options: GenerateOptions & GeneratorOptions): Promise<GeneratedPicture>;",
    );
    expect(readFileSync(join(bundle, "index.js"), "utf8")).toContain('from "tritc/runtime/node"');
  });
});

describe("opening refuses", () => {
  const copy = join(folder, "copy");
  const damaged = async (damage: (root: string) => void): Promise<TritcError> => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(bundle, copy, { recursive: true });
    damage(copy);
    return failure(openBundle(copy));
  };
  const edit = (root: string, path: string, change: (bytes: Buffer) => Buffer | string) =>
    writeFileSync(join(root, path), change(readFileSync(join(root, path))));

  it("one flipped bit in any file, naming the file and both hashes", async () => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(bundle, copy, { recursive: true });
    const kernels = filesBelow(bundle).filter((p) => p.startsWith("kernels/"));
    const others = filesBelow(bundle).filter((p) => !p.startsWith("kernels/") && p !== "manifest.json");
    for (const path of [...others, ...kernels.slice(0, 4)]) {
      const bytes = readFileSync(join(copy, path));
      const at = bytes.length >> 1;
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 4;
      writeFileSync(join(copy, path), flipped);
      const error = await failure(openBundle(copy));
      writeFileSync(join(copy, path), bytes);
      expect(error.code).toBe("TRITC_E_BUNDLE_FILE");
      expect(error.message).toContain(`copy/${path}: the bundle's file was changed`);
      expect(error.message).toMatch(/expected: SHA-256 [0-9a-f]{64}\n {2}found: {4}SHA-256 [0-9a-f]{64}/);
    }
  });

  it("a truncated and a missing file", async () => {
    const cut = await damaged((root) => truncateSync(join(root, "weights.safetensors"), 1000));
    expect(cut.message).toMatch(
      /weights\.safetensors: the bundle's file does not have its size\n.*\n.*1000 bytes/,
    );
    const gone = await damaged((root) => rmSync(join(root, "program.json")));
    expect(gone.message).toContain("program.json: the bundle's file is missing");
  });

  it("a newer format, and says to update", async () => {
    const error = await damaged((root) =>
      edit(root, "manifest.json", (bytes) =>
        bytes.toString().replace(/"formatVersion": \d+/, '"formatVersion": 99'),
      ),
    );
    expect(error.code).toBe("TRITC_E_BUNDLE_VERSION");
    expect(error.message).toContain("update tritc");
  });

  it("a malformed manifest, naming the member", async () => {
    const cases: readonly (readonly [(text: string) => string, string])[] = [
      [(t) => t.slice(0, 200), "not valid JSON"],
      [(t) => t.replace('"target"', '"targets"'), "targets"],
      [(t) => t.replace('"bytes": ', '"bytes": -'), "files[0].bytes"],
      [(t) => t.replace('"path": "', '"path": "../'), "outside the bundle"],
      [(t) => t.replace('"path": "', '"path": "/'), "outside the bundle"],
      [(t) => t.replace('"tensors": [', '"tensors": {}, "tensors": ['), "not valid JSON"],
    ];
    for (const [change, said] of cases) {
      const error = await damaged((root) => edit(root, "manifest.json", (b) => change(b.toString())));
      expect(error.code).toBe("TRITC_E_BUNDLE_FORMAT");
      expect(error.message).toContain(said);
    }
  });

  it("a folder that is no bundle", async () => {
    expect((await failure(openBundle(pipeline))).code).toBe("TRITC_E_NOT_A_BUNDLE");
    expect((await failure(openBundle(join(folder, "nowhere")))).code).toBe("TRITC_E_NOT_A_BUNDLE");
  });

  it("a program that breaks an invariant, even where its hash is right", () => {
    const text = readFileSync(join(bundle, "program.json"), "utf8");
    expect(parseProgram(printProgram(parseProgram(text)))).toEqual(parseProgram(text));
    const cases: readonly (readonly [RegExp, string, string])[] = [
      [/"kernel":"unpack-[^"]*"/, '"kernel":"missing"', "there is no kernel missing"],
      [/"args":\[\{"buffer":"[^"]*"/, '"args":[{"buffer":"missing"', "a buffer that does not exist"],
      [/"scalars":\[\],"grid"/, '"scalars":[7],"grid"', "scalars for the 0"],
      [/"symbols": \["[a-z_]+",/, '"symbols": [', "depends on"],
      [/"slot":(\d)/, '"slot":-$1', "a whole number"],
      [/"id":"unpack/, '"id":"../unpack', "kernels[0].id"],
    ];
    for (const [pattern, replacement, said] of cases) {
      const broken = text.replace(pattern, replacement);
      expect(broken, String(pattern)).not.toBe(text);
      expect(() => parseProgram(broken)).toThrow(said);
    }
  });
});

describe("compiling", () => {
  it("replaces a bundle, and leaves other folders alone", async () => {
    const out = join(folder, "replaced");
    await compile({ out, ternarize: "none", activations: "f32" });
    const before = hashes(out);
    await compile({ out });
    expect(hashes(out)).toEqual(hashes(bundle));
    expect(hashes(out)).not.toEqual(before);
    const error = await failure(compile({ out: pipeline }));
    expect(error.code).toBe("TRITC_E_OUT_EXISTS");
    expect(existsSync(input)).toBe(true);
  });

  it("leaves nothing half-written when it is stopped, and keeps the bundle that was there", async () => {
    const out = join(folder, "stopped", "out");
    const stopped = (options: Partial<CompileOptions>, part: number) => {
      const stop = new AbortController();
      const onProgress: CompileOptions["onProgress"] = ({ phase, done, total }) => {
        if (phase === "weights" && done >= part * total) stop.abort(new Error("stopped by the test"));
      };
      return expect(compile({ out, ...options, signal: stop.signal, onProgress })).rejects.toThrow(
        "stopped by the test",
      );
    };
    // Before anything is done there is nothing to keep, and without --no-resume what is done is kept.
    await stopped({}, 0);
    expect(existsSync(dirname(out))).toBe(false);
    await stopped({ resume: false }, 0.5);
    expect(existsSync(dirname(out))).toBe(false);
    await stopped({}, 0.5);
    expect(readdirSync(dirname(out))).toEqual([".out.partial"]);

    await compile({ out });
    expect(readdirSync(dirname(out))).toEqual(["out"]);
    const before = hashes(out);
    expect(before).toEqual(hashes(bundle));
    await stopped({ ternarize: "none", resume: false }, 0.5);
    expect(readdirSync(dirname(out))).toEqual(["out"]);
    expect(hashes(out)).toEqual(before);
  });

  it("refuses weights that are not finite, naming tensor and row", async () => {
    const bad = join(folder, "bad.onnx");
    const bytes = Buffer.from(buildFlux(style, TINY));
    const clean = Buffer.from(bytes);
    // A run of the file that surely lies within a weight: the largest initializer is a third in.
    let at = -1;
    for (let i = Math.floor(clean.length / 2); i < clean.length - 4; i++) {
      const value = clean.readFloatLE(i);
      if (Math.abs(value) > 1e-3 && Math.abs(value) < 1 && Math.abs(clean.readFloatLE(i + 4)) < 1) {
        at = i;
        break;
      }
    }
    bytes.writeFloatLE(Number.NaN, at);
    writeFileSync(bad, bytes);
    const out = join(folder, "bad-out");
    const error = await failure(compile({ input: bad, out }));
    expect(error.code).toBe("TRITC_E_WEIGHT_NOT_FINITE");
    expect(error.message).toMatch(/in row \d+, column \d+/);
    expect(existsSync(out)).toBe(false);
  });

  it("says which tensor is too large for the target, and what fits", async () => {
    const out = join(folder, "huge");
    const error = await failure(
      compile({ out, target: "webgpu", resolutions: [{ width: 65536, height: 65536 }] }),
    );
    expect(error.code).toBe("TRITC_E_BUFFER_LIMIT");
    expect(error.message).toMatch(/compile for --resolution \d+x\d+/);
    expect(existsSync(out)).toBe(false);
  });
});
