import { defineConfig } from "vitest/config";

/**
 * Files that share a process, and with it what they import: they change nothing of it (environment, mocks, timers) and
 * measure nothing of it.
 */
const SHARED = [
  "account/*",
  "benchmarks/*",
  "browser/sha256",
  "bundle/*",
  "calibrate/*",
  "checkpoint/*",
  "cli/{output,run,run-defaults,sample,units}",
  "codegen/*",
  "compare/*",
  "compile/*",
  "cuda/!(compile|emulator)",
  "diffusers/*",
  "filetests",
  "fuzz/*",
  "gradient/*",
  "gptq/*",
  "interpret/*",
  "ir/*",
  "kernels/*",
  "lora/*",
  "lower/*",
  "onnx/*",
  "onnx-export/!(faults)",
  "pack/!(resume)",
  "passes/*",
  "recognize/*",
  "prompt-sets/*",
  "report/*",
  "residual/*",
  "runtime/!(cpu-device|cuda-bundle|cuda-errors|cuda-program|memory|queue-watch|webgpu-*)",
  "targets/*",
  "templates/*",
].map((files) => `test/${files}.test.ts`);

/**
 * Most functions of a test run for a moment, and optimizing them took a quarter of the time: with Node 20, whose V8 knows
 * no cheap optimization, only the hottest are optimized. Workers also compile functions as they are met, by which processes
 * that end soon would lose; these get the flag by a module, as Node takes none such from the environment.
 */
const V8_FLAG = "--interrupt-budget=1000000";
const PRELOAD = encodeURIComponent(`import v8 from "node:v8"; v8.setFlagsFromString("${V8_FLAG}");`);
const HOTTEST_ONLY = {
  execArgv: [V8_FLAG, "--always-sparkplug"],
  env: { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=data:text/javascript,${PRELOAD}` },
};

const common = {
  setupFiles: "test/setup.ts",
  pool: "forks" as const,
  testTimeout: 60_000,
  hookTimeout: 60_000,
  ...(process.version.startsWith("v20.") ? HOTTEST_ONLY : {}),
};

export default defineConfig({
  test: {
    globalSetup: "test/global-setup.ts",
    maxWorkers: 2,
    // Else each project would transform its own.
    experimental: { fsModuleCache: true },
    projects: [
      { test: { ...common, name: "shared", include: SHARED, isolate: false } },
      {
        test: {
          ...common,
          name: "alone",
          include: ["test/**/*.test.ts"],
          exclude: SHARED,
          // After the others, so that those follow each other in their processes.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
