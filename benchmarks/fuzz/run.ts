/**
 * `npm run fuzz -- models <file.onnx...> [--cases 3000] [--seed 1]`: changes the structure of models at random, from fixed
 * seeds, and runs each through inspect, eval and compile. Exit code 1 if any case ends in a defect, a wrong result or late.
 */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { fuzzModels } from "./models.js";

const program = new Command("fuzz");
program
  .command("models")
  .argument("<files...>", "models of at most a few megabytes to start from")
  .option("--cases <n>", "how many", Number, 3000)
  .option("--seed <n>", "number of the first case", Number, 1)
  .action(async (files: string[], { cases, seed }: { cases: number; seed: number }) => {
    const device = await createNodeCpuDevice({ threads: 1 });
    try {
      const seeds = files.map((file) => new Uint8Array(readFileSync(file)));
      const { findings, ...counts } = await fuzzModels(seeds, { cases, first: seed, device });
      console.log(JSON.stringify({ ...counts, findings: findings.length }));
      for (const finding of findings) console.log(finding);
      process.exitCode = findings.length === 0 ? 0 : 1;
    } finally {
      await device.close();
    }
  });
await program.parseAsync();
