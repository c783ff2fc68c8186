/**
 * More of a fuzz than the suite runs, from fixed seeds. Exit code 1 if any case ends in a defect, a wrong result or late.
 *
 *     npm run fuzz -- models <file.onnx|folder...> [--cases 3000] [--seed 1]
 *     npm run fuzz -- bundles [--cases 10000] [--seed 1]
 *
 * models: the structure of models is changed; each goes through inspect, eval and compile. bundles: manifest, program and
 * weights are changed; each is opened, and what is accepted runs between guard areas (`test/fuzz/bundles.test.ts`).
 */
import { readFileSync, statSync } from "node:fs";
import { Command } from "commander";
import { execa } from "execa";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { checkpointSeed, fuzzModels, onnxSeed } from "./models.js";

const program = new Command("fuzz");
program
  .command("models")
  .argument("<models...>", "ONNX files and Diffusers folders of at most a few megabytes to start from")
  .option("--cases <n>", "how many", Number, 3000)
  .option("--seed <n>", "number of the first case", Number, 1)
  .action(async (files: string[], { cases, seed }: { cases: number; seed: number }) => {
    const device = await createNodeCpuDevice({ threads: 1 });
    try {
      const seeds = files.map((file) =>
        statSync(file).isDirectory() ? checkpointSeed(file) : onnxSeed(new Uint8Array(readFileSync(file))),
      );
      const { findings, ...counts } = await fuzzModels(seeds, { cases, first: seed, device });
      console.log(JSON.stringify({ ...counts, findings: findings.length }));
      for (const finding of findings) console.log(finding);
      process.exitCode = findings.length === 0 ? 0 : 1;
    } finally {
      await device.close();
    }
  });
program
  .command("bundles")
  .option("--cases <n>", "how many", "10000")
  .option("--seed <n>", "seed of the first case", "1")
  .action(async ({ cases, seed }: { cases: string; seed: string }) => {
    const argv = ["vitest", "run", "test/fuzz/bundles.test.ts", "--disable-console-intercept"];
    const env = { FUZZ_CASES: cases, FUZZ_SEED: seed };
    const { exitCode } = await execa("npx", argv, { stdio: "inherit", env, reject: false });
    process.exitCode = exitCode ?? 1;
  });
await program.parseAsync();
