import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Files that share a process, and with it what they import: they change nothing of it (environment, mocks, timers) and
 * measure nothing of it.
 */
const SHARED = [
  "{architecture,docs,filetests,setup}",
  "account/*",
  "benchmarks/*",
  "browser/*",
  "bundle/*",
  "calibrate/*",
  "checkpoint/*",
  "cli/!(cuda|explain|faults|loaded|start-up)",
  "cluster/*",
  "codegen/*",
  "compare/*",
  "compile/*",
  "cost/*",
  "cuda/!(compile|emulator)",
  "diffusers/!(pipelines)",
  "fuzz/*",
  "gradient/*",
  "gptq/*",
  "hub/!(cli|faults)",
  "interpret/*",
  "ir/*",
  "kernels/*",
  "lora/*",
  "lower/*",
  "networks/**/*",
  "onnx/*",
  "onnx-export/!(faults)",
  "pack/!(resume)",
  "package/*",
  "passes/*",
  "recognize/*",
  "prompt-sets/*",
  "report/*",
  "residual/*",
  "runner/*",
  "runtime/!(cpu-device|cuda-bundle|cuda-errors|memory|queue-watch|webgpu-*)",
  "targets/*",
  "templates/*",
  "train/!(engine)",
  "train/engine-*",
  "tune/!(cuda)",
].map((files) => `test/${files}.test.ts`);

/** Files that take more than their length says. */
const LONGEST = [
  "package/",
  "pack/resume",
  "cuda/",
  "kernels/",
  "compile/",
  "onnx-export/",
  "train/",
  "cluster/",
];

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

/** The order in which files begin: what takes long first, or one worker waits for the other in the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) =>
      LONGEST.findIndex((name) => moduleId.includes(`/test/${name}`));
    const [long, rest] = [files.filter((file) => rank(file) >= 0), files.filter((file) => rank(file) < 0)];
    return [...long.sort((a, b) => rank(a) - rank(b)), ...(await super.sort(rest))];
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
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
