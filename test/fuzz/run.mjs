// More of a fuzz than the suite runs, from any seed: npm run fuzz -- bundles --cases 10000 --seed 1
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { cases: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } },
});
const [what = "bundles"] = positionals;
const env = { ...process.env, FUZZ_CASES: values.cases, FUZZ_SEED: values.seed };
const argv = ["vitest", "run", `test/fuzz/${what}.test.ts`, "--disable-console-intercept"];
process.exitCode = spawnSync("npx", argv, { stdio: "inherit", env }).status ?? 1;
