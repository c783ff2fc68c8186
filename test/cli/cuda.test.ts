/** The command line's CUDA side: what it says of targets, and what it does without a toolkit. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { cli } from "../support/cli.js";

const model = join(import.meta.dirname, "..", "models", "shapes-ternary", "transformer", "model.onnx");
const folder = mkdtempSync(join(tmpdir(), "tritc-cli-cuda-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

it("lists each GPU and architecture with its numbers", async () => {
  const { code, stdout } = await cli(["targets"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^h200 +cuda +151\.4 GB +.*int8, bf16, f32 +NVIDIA H200 SXM 141 GB \(sm_90a\)$/m);
  expect(stdout).toMatch(/^h200 +H200 SXM 141 GB +132 +50 MiB +141 GiB +4\.800 TB\/s +989\.4 +1978\.9$/m);
  expect(stdout).toMatch(/^b200 +B200 .* +- +- +180 GiB/m);
  expect(stdout).toMatch(/^sm_70 +7\.0 +9\.0 to 12\.9 +96 KiB/m);
});

it("gives the same as JSON, with sources", async () => {
  const { stdout } = await cli(["targets", "--json"]);
  const targets: readonly { readonly name: string; readonly cuda?: object }[] = JSON.parse(stdout);
  expect(targets.find(({ name }) => name === "a10")?.cuda).toMatchObject({
    architectures: [{ name: "sm_86", computeCapability: [8, 6], toolkit: { first: "11.1", last: null } }],
    gpu: { sms: 72, int8Tops: 250, sources: expect.arrayContaining([expect.stringMatching(/^https:/)]) },
    sources: { toolkits: expect.stringMatching(/^https:/) },
  });
});

it("says what to install before it reads the model, and leaves nothing", async () => {
  vi.stubEnv("TRITC_NVCC", join(folder, "nvcc"));
  const out = join(folder, "none");
  const { code, stderr } = await cli(["compile", "none.onnx", "--target", "t4", "-o", out]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /target t4: compiling CUDA kernels takes NVIDIA's nvcc[\s\S]*install[\s\S]*--emit source/,
  );
  expect(stderr).toContain("[TRITC_E_NVCC]");
  expect(existsSync(out)).toBe(false);
});

it("compiles to sources without a toolkit", async () => {
  vi.stubEnv("TRITC_NVCC", join(folder, "nvcc"));
  const out = join(folder, "bundle");
  const argv = ["compile", model, "--target", "v100", "--activations", "bf16", "--emit", "source", "-o", out];
  const { code, stdout, stderr } = await cli(argv);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^kernels +\d+, as sources: nvcc has to compile them$/m);
});
