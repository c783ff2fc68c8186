import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { parseManifest } from "../../ir/format/manifest.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import { evaluateFolder } from "../../runtime/node/bundle.js";
import { rehash } from "../support/bundle-surgery.js";
import { cli } from "../support/cli.js";
import { type EmulatedDriver, emulatedDriver, emulatorModule } from "../support/cuda-emulator.js";
import { model, node, tensor, value } from "../support/onnx-builder.js";
import { randomFloats } from "../support/random.js";

const N = 8;

/** y = gelu(x·w + b) */
function smallModel(): Uint8Array {
  return model(
    {
      inputs: [value("x", "f32", ["n", N])],
      outputs: [value("y", "f32", ["n", N])],
      initializers: [
        tensor("w", "f32", [N, N], [...randomFloats(1, N * N)]),
        tensor("b", "f32", [N], [...randomFloats(2, N)]),
      ],
      nodes: [
        node("MatMul", ["x", "w"], ["xw"]),
        node("Add", ["xw", "b"], ["xwb"]),
        node("Gelu", ["xwb"], ["y"]),
      ],
    },
    { opset: 20 },
  );
}

let folder: string;
let driver: EmulatedDriver;
const bundle = (): string => join(folder, "bundle");
const inputs = (): string => join(folder, "x.safetensors");
const x = { dtype: "f32", shape: [5, N], data: randomFloats(3, 5 * N) } as const;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tritc-cuda-bundle-"));
  driver = await emulatedDriver("sm_86", "reverse");
  const path = join(folder, "model.onnx");
  writeFileSync(path, smallModel());
  writeFileSync(inputs(), serialize(new Map([["x", x]])));
  const options = ["--target", "a10", "--ternarize", "none", "--emit", "source", "-o", bundle()];
  expect((await cli(["compile", path, ...options])).stderr).toBe("");
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

/** Gives a bundle of sources the modules that the emulated driver loads. */
async function emulate(): Promise<void> {
  const path = join(bundle(), "manifest.json");
  const manifest = parseManifest(readFileSync(path, "utf8"), path);
  const kernels = await Promise.all(
    manifest.kernels.map(async (kernel) => {
      const source = readFileSync(join(bundle(), kernel.source), "utf8");
      const binary = kernel.source.replace(/\.cu$/, ".fatbin");
      // The emulator has its own instructions.
      const portable = source.replaceAll(/^\/\/ (cuda\/ptx\/\S+)$[\s\S]*?^\/\/ end of \1$/gm, "");
      writeFileSync(join(bundle(), binary), await emulatorModule(portable));
      return { ...kernel, binary };
    }),
  );
  writeFileSync(path, JSON.stringify({ ...manifest, kernels }));
  rehash(bundle());
}

it("evaluates CUDA bundles", async () => {
  const out = join(folder, "y.safetensors");
  const evaluate = ["eval", bundle(), "--inputs", inputs(), "-o", out];
  vi.stubEnv("TRITC_CUDA_DRIVER", driver.path);
  const sources = await cli(evaluate);
  expect(sources.stderr).toMatch(/holds its kernels as sources only/);
  expect(driver.liveObjects()).toBe(0);

  await emulate();
  const ran = await cli(evaluate);
  expect(ran.stderr).not.toMatch(/TRITC_E/);
  expect(ran.code).toBe(0);
  const found = parseSafetensors(readFileSync(out), out).get("y");
  expect((await cli([...evaluate, "--interpret"])).code).toBe(0);
  const wanted = parseSafetensors(readFileSync(out), out).get("y");
  expect(found?.shape).toEqual([5, N]);
  const values = [...(wanted?.data ?? [])].map(Number);
  for (const [i, y] of [...(found?.data ?? [])].entries()) expect(Number(y)).toBeCloseTo(values[i] ?? 0, 5);

  const { y } = await evaluateFolder(bundle(), { x });
  expect(y?.data).toEqual(found?.data);
  expect(driver.liveObjects()).toBe(0);

  vi.stubEnv("TRITC_CUDA_DRIVER", join(folder, "absent.so"));
  expect((await cli(evaluate)).stderr).toMatch(/there is no NVIDIA driver[\s\S]*TRITC_E_CUDA_DRIVER/);
}, 60_000);

it("says what the machine has for CUDA", async () => {
  vi.stubEnv("TRITC_CUDA_DRIVER", driver.path);
  const found = await cli(["doctor"]);
  expect(found.stdout).toMatch(/^ok {2}CUDA driver +supports CUDA 13\.0$/m);
  expect(found.stdout).toMatch(/^ok {2}CUDA device 0 +Emulated .*8\.6.*; target cuda-portable$/m);
  expect(found.stdout).toMatch(/CUDA toolkit \(nvcc\)/);
  vi.stubEnv("TRITC_CUDA_DRIVER", join(folder, "absent.so"));
  const missing = await cli(["doctor"]);
  expect(missing.stdout).toMatch(
    /^-- {2}CUDA driver +there is no NVIDIA driver.*\(install the NVIDIA driver/m,
  );
  expect(missing.code).toBe(0);
}, 60_000);
