/** Tuning a bundle for a GPU from the command line on, with an emulated GPU in the place of the driver's. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { randomInputs } from "../../compiler/tune/random-inputs.js";
import { type TuneOptions, tuneBundle } from "../../compiler/tune/tune.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { targetByName } from "../../targets/index.js";
import { builtCli } from "../support/built-cli.js";
import { cli } from "../support/cli.js";
import { type EmulatedCuda, emulatedCuda } from "../support/emulating-nvcc.js";
import { candidatesOneIn } from "../support/few-candidates.js";
import { buildFlux } from "../support/flux-builder.js";
import { STYLES, TINY } from "../support/flux-style.js";

const scratch = mkdtempSync(join(tmpdir(), "tritc-tune-cuda-"));
const a10 = targetByName("a10");
let cuda: EmulatedCuda;
let child: URL;
let made: string;

beforeAll(async () => {
  cuda = await emulatedCuda();
  for (const [name, value] of Object.entries(cuda.env)) vi.stubEnv(name, value);
  child = new URL("../tune/child.js", pathToFileURL(await builtCli()));
  const { torchscript = expect.fail() } = STYLES;
  const model = join(scratch, "tiny.onnx");
  writeFileSync(model, buildFlux(torchscript, TINY));
  made = join(scratch, "bundle");
  const { code, stderr } = await cli([
    "compile",
    model,
    "--target",
    "a10",
    "--resolution",
    "64x64",
    "-o",
    made,
  ]);
  expect(code, stderr).toBe(0);
}, 180_000);
beforeEach(() => {
  for (const [name, value] of Object.entries(cuda.env)) vi.stubEnv(name, value);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => {
  cuda.close();
  rmSync(scratch, { recursive: true });
});

const tune = (options: Pick<TuneOptions, "bundle"> & Partial<TuneOptions>) =>
  tuneBundle({ budget: 60, kernels: ["attention"], child, variant: candidatesOneIn(8, a10), ...options });

function bundle(name: string): string {
  const copy = join(scratch, name);
  cpSync(made, copy, { recursive: true });
  return copy;
}

/** What a step of a bundle makes of the same random inputs, by output. */
async function stepOf(folder: string): Promise<readonly unknown[]> {
  const device = await createNodeCudaDevice();
  try {
    const { program, code, weights } = await openBundle(folder);
    const loaded = await device.load(program, code, weights);
    const sizes = Object.fromEntries(program.symbols.map((symbol) => [symbol, 16]));
    await loaded.bind(sizes);
    const dtypes = new Map(program.buffers.map(({ id, dtype }) => [id, dtype]));
    for (const { name, buffer } of program.inputs) {
      const data = randomInputs(program, 0, sizes).get(name)?.data;
      if (data !== undefined)
        loaded.write(
          buffer,
          dtypes.get(buffer) === "f32" ? Float32Array.from(data, Number) : Int32Array.from(data, Number),
        );
    }
    await loaded.run(["prompt", "step"], 0);
    const outputs: unknown[] = [];
    for (const { buffer } of program.outputs) outputs.push(await loaded.read(buffer));
    expect(outputs.length).toBeGreaterThan(0);
    await loaded.close();
    return outputs;
  } finally {
    await device.close();
  }
}

it("measures candidates by the device's events, keeps those that leave the same bits, and believes its records", async () => {
  const folder = bundle("twice");
  const first = await tune({ bundle: folder });
  expect(first.device).toMatch(/compute capability 8\.6/);
  expect(first.kernels.length).toBeGreaterThan(0);
  for (const { tried, faults, before } of first.kernels) {
    expect(tried).toBeGreaterThan(0);
    expect(before).toBeGreaterThan(0);
    expect(faults).toEqual({ wrong: 0, failed: 0, hung: 0 });
  }
  const { program, manifest } = await openBundle(folder);
  expect(manifest.files.map(({ path }) => path)).toContain("tuning.jsonl");
  for (const { kernel, config } of first.kernels)
    expect(program.kernels.find(({ id }) => id === kernel)?.config).toEqual(config);
  const lines = readFileSync(join(folder, "tuning.jsonl"), "utf8").trim().split("\n");
  const kinds = lines.map(
    (line) => JSON.parse(line) as { readonly kind: string; readonly deviceKind: string },
  );
  expect(new Set(kinds.map(({ kind }) => kind))).toEqual(new Set(["measured", "chosen"]));
  expect(kinds.every(({ deviceKind }) => deviceKind === "sm_86")).toBe(true);
  expect(await stepOf(folder)).toEqual(await stepOf(made));
  const second = await tune({ bundle: folder });
  expect(second.kernels.every(({ isKnown }) => isKnown)).toBe(true);
  expect(second.changed).toBe(0);
}, 180_000);

it("goes on where it was stopped", async () => {
  const folder = bundle("stopped");
  const stop = new AbortController();
  const stopped = tune({
    bundle: folder,
    budget: 60,
    signal: stop.signal,
    onProgress: ({ phase, done }) => phase === "candidates" && done > 0 && stop.abort(),
  });
  await expect(stopped).rejects.toThrow();
  const notices: string[] = [];
  await tune({ bundle: folder, onNotice: (text) => notices.push(text) });
  expect(notices.join()).toMatch(/going on from the unfinished work/);
}, 180_000);

it("lets the device's clock say how long a run takes", async () => {
  const device = await createNodeCudaDevice();
  try {
    const { program, code, weights } = await openBundle(bundle("clock"));
    const loaded = await device.load(program, code, weights);
    await loaded.bind(Object.fromEntries(program.symbols.map((symbol) => [symbol, 4])));
    const begun = performance.now();
    const seconds = await loaded.timed(["step"], 0);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan((performance.now() - begun) / 1000);
    await loaded.close();
  } finally {
    await device.close();
  }
});
