import { defineConfig } from "vitest/config";

/**
 * Areas whose files share a process, and with it what they import: they hold no device, change nothing of the process
 * and measure nothing of it.
 */
const SHARED = [
  "account",
  "codegen",
  "diffusers",
  "interpret",
  "ir",
  "lora",
  "lower",
  "onnx",
  "passes",
  "recognize",
  "targets",
  "templates",
].map((area) => `test/${area}/**/*.test.ts`);

const common = {
  setupFiles: "test/setup.ts",
  pool: "forks",
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const;

export default defineConfig({
  test: {
    globalSetup: "test/global-setup.ts",
    maxWorkers: 2,
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
